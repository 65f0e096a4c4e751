"""Figures that were published of a cell, for what is published next to be compared with."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Integer, bindparam, insert, select

from app.db.engine import Connection, Statement
from app.db.metadata import Str
from app.db.tables.work import aggregate_release

_ADD = Statement(insert(aggregate_release))
_OF = Statement(
    select(aggregate_release.c.body)
    .where(
        aggregate_release.c.tenant == bindparam("this_tenant", type_=Integer()),
        aggregate_release.c.cell == bindparam("this_cell", type_=Str),
    )
    .order_by(aggregate_release.c.number)
)


class Releases:
    """Releases through one connection; ``cell`` names what the figures are of."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of(self, tenant: int, cell: str) -> Sequence[bytes]:
        """Every release of a cell, the oldest first."""
        rows = await self._connection.fetch(_OF, {"this_tenant": tenant, "this_cell": cell})
        return [bytes(row[0]) for row in rows]

    async def add(self, tenant: int, cell: str, body: bytes, *, number: int, now: int) -> None:
        """Keeps a release under its number, from 0."""
        await self._connection.execute(
            _ADD,
            {"tenant": tenant, "cell": cell, "number": number, "released": now, "body": body},
        )
