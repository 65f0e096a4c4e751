"""A log on a database of its own: the application's hands, and the owner's past every trigger."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
from sqlalchemy import insert
from sqlalchemy.schema import CreateIndex, CreateTable

from app.core.ids import RandomIds
from app.db import append_only, postgresql, sqlite
from app.db.engine import Database, connect
from app.db.metadata import metadata
from app.db.tables.resources import tenant
from app.repositories.audit_log import AuditLog
from app.repositories.audit_tree import AuditTree
from app.repositories.codec import IdentityCodec
from app.repositories.unit_of_work import UnitsOfWork
from app.security.keys import RootKey
from app.services.audit import AuditTrail
from app.services.audit_keys import LogKeys
from app.services.audit_sequencer import Sequencer
from tests.support.audit_records import NOON, a_record
from tests.support.postgres import APP, OWNER, Server


def schema(dialect: str) -> list[str]:
    """Every table, and what makes the log append-only."""
    chosen = sqlite.DIALECT if dialect == "sqlite" else postgresql.DIALECT
    made = [str(CreateTable(table).compile(dialect=chosen)) for table in metadata.sorted_tables]
    made += [
        str(CreateIndex(index).compile(dialect=chosen))
        for table in metadata.sorted_tables
        for index in sorted(table.indexes, key=lambda index: str(index.name))
    ]
    return [*made, *append_only.statements(dialect)]


@asynccontextmanager
async def audit_database(
    dialect: str, directory: Path, server: Server | None, *, template: str | None = None
) -> AsyncIterator[tuple[Database, str]]:
    """The application's database, and the URL of its owner; empty, or a copy of another's."""
    name = f"audit_{uuid4().hex[:12]}"
    if dialect == "sqlite":
        url = owner = f"sqlite:///{directory / name}.db"
    else:
        assert server is not None
        await server.create(name, database_of(template) if template else "template0")
        url, owner = server.url(name, APP), server.url(name, OWNER)
    if template is None:
        await _make(dialect, owner)
    elif dialect == "sqlite":
        shutil.copyfile(template.removeprefix("sqlite:///"), owner.removeprefix("sqlite:///"))
    database = await connect(url, pool_size=4, lock_timeout=10, statement_timeout=30)
    try:
        yield database, owner
    finally:
        await database.close()
        if server is not None and dialect == "postgresql":
            await server.drop(name)


def database_of(url: str) -> str:
    """The name of a PostgreSQL database."""
    return url.rpartition("/")[2]


async def _make(dialect: str, owner: str) -> None:
    if dialect == "sqlite":
        made = sqlite3.connect(owner.removeprefix("sqlite:///"))
        for statement in schema(dialect):
            made.execute(statement)
        made.commit()
        made.close()
        return
    connection = await asyncpg.connect(owner)
    for statement in [
        f"GRANT USAGE ON SCHEMA public TO {APP}",
        *schema(dialect),
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {APP}",
        *append_only.grants(APP),
    ]:
        await connection.execute(statement)
    await connection.close()


SITE = "https://rapport.test/fhir"


class Hand:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> int:
        return self.at


class Log:
    """A log with its owner's hands."""

    def __init__(self, database: Database, owner: str) -> None:
        self.database, self.owner = database, owner
        self.clock, self.ids = Hand(), RandomIds()
        self.units = UnitsOfWork(database, codec=IdentityCodec(), clock=self.clock)
        self.trail = AuditTrail(clock=self.clock, ids=self.ids, site=SITE)
        self.keys = LogKeys(
            root=RootKey(bytes(32), self.ids),
            clock=self.clock,
            ids=self.ids,
            base_url="https://rapport.test",
        )
        self.count = 0

    def sequencer(self, *copies, holder: str = "one") -> Sequencer:
        return Sequencer(
            self.units,
            keys=self.keys,
            trail=self.trail,
            clock=self.clock,
            holder=holder,
            copies=copies,
        )

    async def add(self, count: int, **changes):
        made = []
        for _ in range(count):
            self.count += 1
            made.append(a_record(aid=self.count, **changes))
        async with self.database.write() as connection:
            await AuditLog(connection).append(made)
        return made

    async def tree(self, work):
        async with self.database.read() as connection:
            return await work(AuditTree(connection))

    async def execute(self, statement: str) -> None:
        """As the owner, past every trigger."""
        if self.owner.startswith("sqlite"):
            made = sqlite3.connect(self.owner.removeprefix("sqlite:///"))
            names = made.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%_no_%'"
            )
            for (name,) in names.fetchall():
                made.execute(f"DROP TRIGGER {name}")
            made.execute(statement)
            made.commit()
            made.close()
        else:
            connection = await asyncpg.connect(self.owner)
            for table in ("audit_event", "audit_leaf", "audit_node", "audit_checkpoint"):
                trigger = f"{table}_no_change"
                await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
            await connection.execute(statement)
            await connection.close()


@asynccontextmanager
async def a_log(
    dialect: str, directory: Path, server: Server | None, *, template: str | None = None
) -> AsyncIterator[Log]:
    """A log with one tenant, or a copy of another log's database."""
    async with audit_database(dialect, directory, server, template=template) as (made, owner):
        if template is None:
            async with made.write() as connection:
                values = {"id": 1, "slug": "t", "name": "T", "created": 0, "suspended": 0}
                await connection.execute(insert(tenant).values(**values))
        yield Log(made, owner)
