"""The database's rows as they are, table by table: read for a backup, written for a restore.

Search index rows are left out: they follow from what is stored, and a restore makes them anew.
Keys are apart, so that a copy of the records never holds what opens them. What clinics' records
are made of goes clinic by clinic, since nobody sees those of two.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, exists, insert, select, tuple_, update

from app.db.engine import Connection, EveryTenant
from app.db.row_security import SEEN_TOGETHER
from app.db.tables import metadata
from app.db.tables.audit import audit_event, audit_pending
from app.db.tables.exports import export_file, export_job
from app.db.tables.indexes import INDEX_TABLES
from app.db.tables.keys import data_key, key_copy, tenant_key
from app.db.tables.queue import lease
from app.db.tables.resources import resource
from app.db.tables.stamps import access_stamp

_CHUNK = 500
# A lease is a running process's, where copies of keys are is a machine's, triggers make stamps, and
# an export is asked for again.
_LEFT_OUT = (*INDEX_TABLES, lease, key_copy, access_stamp, export_job, export_file)
_KEYS = (tenant_key, data_key)

TABLES: Mapping[str, Table] = {
    table.name: table for table in metadata.sorted_tables if table not in (*_LEFT_OUT, *_KEYS)
}
KEY_TABLES: Mapping[str, Table] = {table.name: table for table in _KEYS}
_ALL = {**TABLES, **KEY_TABLES}

INSTALLATION = EveryTenant("a backup is of the installation")

Rows = Sequence[Mapping[str, Any]]


class Dump:
    """Every row through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def rows(self, name: str) -> AsyncIterator[Rows]:
        """A table's rows, some hundreds at a time."""
        table = _ALL[name]
        if not _is_apart(table):
            async for rows in self._rows(table):
                yield rows
            return
        for tenant in await self._tenants():
            await self._connection.turn_to(tenant)
            async for rows in self._rows(table, table.c.tenant == tenant):
                yield rows
        await self._connection.turn_to(INSTALLATION)

    async def _rows(self, table: Table, *wanted: ColumnElement[bool]) -> AsyncIterator[Rows]:
        """Rows in the order of the table's key."""
        key = list(table.primary_key.columns)
        columns = list(table.columns)
        names = [str(column.name) for column in columns]
        last: tuple[Any, ...] | None = None
        while True:
            statement = select(*columns).where(*wanted).order_by(*key).limit(_CHUNK)
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
        brought = [t for t in reversed(list(_ALL.values())) if not t.name.startswith("audit_")]
        apart = [table for table in (*INDEX_TABLES, *brought) if _is_apart(table)]
        for tenant in await self._tenants():
            await self._connection.turn_to(tenant)
            for table in apart:
                await self._connection.execute(delete(table).where(table.c.tenant == tenant))
        await self._connection.turn_to(INSTALLATION)
        for table in brought:
            if table not in apart:
                await self._connection.execute(delete(table))

    async def add(self, name: str, rows: Rows) -> None:
        """Puts rows into a table."""
        table = _ALL[name]
        if not _is_apart(table):
            await self._connection.execute_many(insert(table), list(rows))
            if table is audit_event:
                await self._forget_pending()
            return
        for tenant, own in groupby(rows, key=lambda row: int(row["tenant"])):
            await self._connection.turn_to(tenant)
            await self._connection.execute_many(insert(table), list(own))
        await self._connection.turn_to(INSTALLATION)

    async def withdraw(self) -> None:
        """Ends the current versions that no key opens any more, as their destruction did."""
        gone = exists().where(
            data_key.c.tenant == resource.c.tenant,
            data_key.c.key_id == resource.c.key_id,
            data_key.c.destroyed.is_not(None),
        )
        ended = update(resource).where(gone).values(deleted=1, body=b"", data_class=None)
        for tenant in await self._tenants():
            await self._connection.turn_to(tenant)
            await self._connection.execute(ended.where(resource.c.tenant == tenant))
        await self._connection.turn_to(INSTALLATION)

    async def _forget_pending(self) -> None:
        """Empties the sequencer's list, which restored events fill: the backup's own comes later.

        It does since tables without references to each other are in the order of their names.
        """
        await self._connection.execute(delete(audit_pending))

    async def _tenants(self) -> list[int]:
        table = TABLES["tenant"]
        return [row[0] for row in await self._connection.fetch(select(table.c.id))]


def _is_apart(table: Table) -> bool:
    """Whether nobody sees two tenants' rows of it."""
    return "tenant" in table.c and table.name not in SEEN_TOGETHER
