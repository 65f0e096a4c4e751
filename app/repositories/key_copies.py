"""Where copies of the wrapped keys are, so that none of them keeps what is destroyed."""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from app.db.engine import Connection
from app.db.tables.keys import data_key, key_copy


class KeyCopies:
    """The files beside backups, through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def paths(self) -> list[str]:
        """Every file that was written."""
        rows = await self._connection.fetch(select(key_copy.c.path).order_by(key_copy.c.path))
        return [row[0] for row in rows]

    async def written(self, path: str, *, at: int) -> None:
        """Keeps when a file was written, which is before what it holds was read."""
        await self._connection.execute(delete(key_copy).where(key_copy.c.path == path))
        await self._connection.execute(insert(key_copy), {"path": path, "written": at})

    async def stale(self) -> list[str]:
        """The files that may hold a key which was destroyed since."""
        last = (
            select(data_key.c.destroyed)
            .order_by(data_key.c.destroyed.desc())
            .where(data_key.c.destroyed.is_not(None))
        )
        rows = await self._connection.fetch(
            select(key_copy.c.path).where(key_copy.c.written < last.limit(1).scalar_subquery())
        )
        return [row[0] for row in rows]
