"""The log takes records and gives them back; nothing takes them away."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import delete, func, insert, select, text, update

from app.db.engine import Database, UniqueViolation
from app.db.row_security import seeing
from app.db.tables.audit import audit_event, audit_pending
from app.fhir.audit.event import canonical, commitment
from app.repositories.audit_log import AuditLog
from app.search.sources.audit_rows import COLUMNS as NAMES
from app.search.sources.audit_rows import record_of
from tests.support.audit_log import a_log
from tests.support.audit_records import a_record, every_kind
from tests.support.databases import ANYBODY

COLUMNS = tuple(audit_event.c[name] for name in NAMES)
DIALECTS = ("sqlite", "postgresql")


@pytest_asyncio.fixture(params=DIALECTS)
async def database(request, databases) -> AsyncIterator[Database]:
    async with a_log(await databases.make(request.param)) as log:
        yield log.database


async def append(database: Database, *records) -> None:
    async with database.write(ANYBODY) as connection:
        await AuditLog(connection).append(records)


async def test_what_is_read_is_what_was_committed_to(database: Database):
    records = [
        *every_kind(),
        a_record(
            aid=1 << 62,
            name="Ångström \N{RIGHT-TO-LEFT OVERRIDE} 'quote' \"double\" \\",
            query="GET /ü?ß=%00",
        ),
    ]
    await append(database, *records)
    async with database.read(ANYBODY) as connection:
        rows = await connection.fetch(
            select(*COLUMNS, audit_event.c.commitment).order_by(audit_event.c.aid)
        )
    found = {
        record.aid: (record, bytes(row[-1])) for row in rows for record in [record_of(row[:-1])]
    }
    assert len(found) == len(records)
    for record in records:
        stored, committed = found[record.aid]
        assert stored == record
        assert canonical(stored) == canonical(record)
        assert committed == commitment(stored)


async def test_every_record_waits_for_its_leaf(database: Database):
    records = every_kind()
    await append(database, *records)
    async with database.read(ANYBODY) as connection:
        waiting = await connection.fetch(select(audit_pending.c.recorded, audit_pending.c.aid))
    assert {tuple(row) for row in waiting} == {(each.recorded, each.aid) for each in records}


async def test_an_undone_transaction_leaves_no_record(database: Database):
    with suppress(ZeroDivisionError):
        async with database.write(ANYBODY) as connection:
            await AuditLog(connection).append([a_record()])
            raise ZeroDivisionError
    async with database.read(ANYBODY) as connection:
        assert (await connection.fetch(select(func.count()).select_from(audit_event)))[0][0] == 0
        assert (await connection.fetch(select(func.count()).select_from(audit_pending)))[0][0] == 0


REFUSED = (sqlite3.IntegrityError, asyncpg.PostgresError, UniqueViolation)


@pytest.mark.parametrize(
    "change",
    [
        lambda: update(audit_event).values(outcome="0"),
        lambda: update(audit_event).values(salt=b"x" * 16),
        lambda: delete(audit_event),
        lambda: delete(audit_event).where(audit_event.c.tenant == 1),
    ],
)
async def test_the_application_can_change_and_remove_nothing(database: Database, change):
    await append(database, a_record())
    with pytest.raises(REFUSED):
        async with database.write(ANYBODY) as connection:
            await connection.execute(change())
    async with database.read(ANYBODY) as connection:
        rows = await connection.fetch(select(*COLUMNS))
    assert [record_of(row) for row in rows] == [a_record()]


@pytest.mark.parametrize("clause", ["OR REPLACE", "OR IGNORE"])
async def test_replacing_slips_past_no_trigger(databases, clause):
    made = await databases.make("sqlite")
    url = made.owner_url
    async with a_log(made) as log:
        await append(log.database, a_record())
        # A connection of somebody else, who has not set recursive_triggers.
        other = sqlite3.connect(url.removeprefix("sqlite:///"))
        names = [column.name for column in audit_event.columns]
        chosen = ", ".join("'8'" if name == "outcome" else name for name in names)
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute(
                f"INSERT {clause} INTO audit_event ({', '.join(names)})"
                f" SELECT {chosen} FROM audit_event"
            )
        other.close()


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE audit_event",
        "TRUNCATE audit_event_default",
        "DELETE FROM audit_event_default",
        "UPDATE audit_event_default SET outcome = '8'",
        """INSERT INTO audit_event SELECT * FROM audit_event
        ON CONFLICT (tenant, recorded, aid) DO UPDATE SET outcome = '8'""",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "DROP TABLE audit_event",
        "DELETE FROM audit_leaf",
        "TRUNCATE audit_checkpoint",
        "SET session_replication_role = replica",
    ],
)
async def test_the_role_of_the_application_is_granted_no_way(databases, statement):
    async with a_log(await databases.make("postgresql")) as log:
        await append(log.database, a_record())
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with log.database.write(ANYBODY) as connection:
                await connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM audit_event", "UPDATE audit_event SET outcome = '8'", "TRUNCATE audit_event"],
)
async def test_the_owner_has_to_do_more_than_ask(databases, statement):
    async with a_log(await databases.make("postgresql")) as log:
        await append(log.database, a_record())
        connection = await asyncpg.connect(log.owner)
        await connection.execute(seeing(ANYBODY))
        with pytest.raises(asyncpg.PostgresError, match="append-only"):
            await connection.execute(statement)
        await connection.close()


async def test_a_second_record_of_one_key_is_refused(database: Database):
    await append(database, a_record())
    with pytest.raises(REFUSED):
        async with database.write(ANYBODY) as connection:
            await connection.execute(
                insert(audit_event).from_select(
                    [column.name for column in audit_event.columns], select(audit_event)
                )
            )
