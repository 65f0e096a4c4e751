"""The database's rows as they are, table by table: read for a backup, written for a restore.

Search index rows are left out: they follow from what is stored, and a restore makes them anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, delete, insert, select, tuple_

from app.db.engine import Connection
from app.db.tables import metadata
from app.db.tables.audit import audit_pending
from app.db.tables.indexes import INDEX_TABLES
from app.db.tables.queue import lease

_CHUNK = 500
_LEFT_OUT = (*INDEX_TABLES, lease)  # a lease is a running process's

TABLES: Mapping[str, Table] = {
    table.name: table for table in metadata.sorted_tables if table not in _LEFT_OUT
}

Rows = Sequence[Mapping[str, Any]]


class Dump:
    """Every row through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def rows(self, name: str) -> AsyncIterator[Rows]:
        """A table's rows in the order of its key, some hundreds at a time."""
        table = TABLES[name]
        key = list(table.primary_key.columns)
        columns = list(table.columns)
        names = [str(column.name) for column in columns]
        last: tuple[Any, ...] | None = None
        while True:
            statement = select(*columns).order_by(*key).limit(_CHUNK)
            if last is not None:
                statement = statement.where(tuple_(*key) > tuple_(*last))
            found = [
                dict(zip(names, row, strict=True))
                for row in await self._connection.fetch(statement)
            ]
            if found:
                yield found
            if len(found) < _CHUNK:
                return
            last = tuple(found[-1][column.name] for column in key)

    async def is_empty(self) -> bool:
        """Whether nothing has been stored but what a migration brings."""
        events = await self._connection.fetch(select(TABLES["audit_event"].c.aid).limit(1))
        return not events

    async def clear(self) -> None:
        """Removes what a migration brought, so that the backup's own rows have room."""
        for table in reversed(list(TABLES.values())):
            if not table.name.startswith("audit_"):
                await self._connection.execute(delete(table))
        for table in INDEX_TABLES:
            await self._connection.execute(delete(table))

    async def add(self, name: str, rows: Rows) -> None:
        """Puts rows into a table."""
        await self._connection.execute_many(insert(TABLES[name]), list(rows))

    async def forget_pending(self) -> None:
        """Empties the sequencer's list, which restored events filled: the backup has its own."""
        await self._connection.execute(delete(audit_pending))
