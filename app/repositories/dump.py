"""The database's rows as they are, table by table: read for a backup, written for a restore.

Search index rows are left out: they follow from what is stored, and a restore makes them anew.
Keys are apart, so that a copy of the records never holds what opens them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, delete, exists, insert, select, tuple_, update

from app.db.engine import Connection
from app.db.tables import metadata
from app.db.tables.audit import audit_pending
from app.db.tables.indexes import INDEX_TABLES
from app.db.tables.keys import data_key, key_copy, tenant_key
from app.db.tables.queue import lease
from app.db.tables.resources import resource

_CHUNK = 500
# A lease is a running process's, and where copies of keys are is a machine's.
_LEFT_OUT = (*INDEX_TABLES, lease, key_copy)
_KEYS = (tenant_key, data_key)

TABLES: Mapping[str, Table] = {
    table.name: table for table in metadata.sorted_tables if table not in (*_LEFT_OUT, *_KEYS)
}
KEY_TABLES: Mapping[str, Table] = {table.name: table for table in _KEYS}
_ALL = {**TABLES, **KEY_TABLES}

Rows = Sequence[Mapping[str, Any]]


class Dump:
    """Every row through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def rows(self, name: str) -> AsyncIterator[Rows]:
        """A table's rows in the order of its key, some hundreds at a time."""
        table = _ALL[name]
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
        for table in reversed(list(_ALL.values())):
            if not table.name.startswith("audit_"):
                await self._connection.execute(delete(table))
        for table in INDEX_TABLES:
            await self._connection.execute(delete(table))

    async def add(self, name: str, rows: Rows) -> None:
        """Puts rows into a table."""
        await self._connection.execute_many(insert(_ALL[name]), list(rows))

    async def withdraw(self) -> None:
        """Ends the current versions that no key opens any more, as their destruction did."""
        gone = exists().where(
            data_key.c.tenant == resource.c.tenant,
            data_key.c.key_id == resource.c.key_id,
            data_key.c.destroyed.is_not(None),
        )
        await self._connection.execute(
            update(resource).where(gone).values(deleted=1, body=b"", data_class=None)
        )

    async def forget_pending(self) -> None:
        """Empties the sequencer's list, which restored events filled: the backup has its own."""
        await self._connection.execute(delete(audit_pending))
