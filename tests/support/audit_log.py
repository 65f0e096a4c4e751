"""A log on a database of its own: the application's hands, and the owner's past every trigger."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import insert, select

from app.core.ids import RandomIds
from app.db.engine import Database, connect
from app.db.row_security import seeing
from app.db.tables.resources import tenant
from app.repositories.audit_log import AuditLog
from app.repositories.audit_tree import AuditTree
from app.repositories.unit_of_work import UnitsOfWork
from app.security.root_key import RootKey
from app.services.audit import AuditTrail
from app.services.audit_keys import LogKeys
from app.services.audit_sequencer import Sequencer
from tests.support.audit_records import NOON, a_record
from tests.support.databases import ANYBODY
from tests.support.databases import Database as Made
from tests.support.sealing import CODEC

SITE = "https://rapport.test/fhir"


class Hand:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> int:
        return self.at


class Log:
    """A log with its owner's hands."""

    def __init__(self, database: Database, owner: str, root: RootKey) -> None:
        """``root`` is the key that the database was migrated under."""
        self.database, self.owner = database, owner
        self.clock, self.ids = Hand(), RandomIds()
        self.units = UnitsOfWork(database, codec=CODEC, encryption=root, clock=self.clock)
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
        async with self.database.write(ANYBODY) as connection:
            await AuditLog(connection).append(made)
        return made

    async def tree(self, work):
        async with self.database.read(ANYBODY) as connection:
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
            await connection.execute(seeing(ANYBODY))
            for table in ("audit_event", "audit_leaf", "audit_node", "audit_checkpoint"):
                trigger = f"{table}_no_change"
                await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
            await connection.execute(statement)
            await connection.close()


@asynccontextmanager
async def a_log(made: Made) -> AsyncIterator[Log]:
    """A log with one tenant."""
    database = await connect(made.url, pool_size=4, lock_timeout=10, statement_timeout=30)
    try:
        async with database.write(ANYBODY) as connection:
            if not await connection.fetch(select(tenant.c.id).where(tenant.c.id == 1)):
                values = {"id": 1, "slug": "t", "name": "T", "created": 0, "suspended": 0}
                await connection.execute(insert(tenant).values(**values))
        assert made.root_key is not None
        yield Log(database, made.owner_url, RootKey.load(made.root_key, RandomIds()))
    finally:
        await database.close()
