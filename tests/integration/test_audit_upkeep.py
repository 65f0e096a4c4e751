"""Months have partitions, old records leave with theirs, and the log still proves itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import select

from app.core.clock import SECOND
from app.core.config import Settings
from app.db.tables.audit import audit_event
from app.repositories.audit_log import AuditLog
from app.repositories.audit_upkeep import AuditUpkeep
from app.services.audit_copies import FileCopy
from app.services.audit_retention import PartitionsAhead, maintain
from app.services.audit_verification import verify_log
from tests.support.audit_log import Log, a_log
from tests.support.audit_records import NOON, a_record
from tests.support.databases import ANYBODY

DAY = 86_400 * SECOND
YEAR = 365 * DAY


@pytest_asyncio.fixture
async def log(dialect, databases) -> AsyncIterator[Log]:
    async with a_log(await databases.make(dialect)) as made:
        yield made


async def partitions(log: Log) -> dict[str, int]:
    connection = await asyncpg.connect(log.owner)
    try:
        names = await connection.fetch(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'audit_event'::regclass"
        )
        counts = [await connection.fetchval(f"SELECT count(*) FROM {n[0]}") for n in names]
    finally:
        await connection.close()
    return {name[0]: count for name, count in zip(names, counts, strict=True)}


async def forget_partitions(log: Log) -> None:
    """As if migrating had made none."""
    connection = await asyncpg.connect(log.owner)
    for name in (await partitions(log)).keys() - {"audit_event_default"}:
        await connection.execute(f"DROP TABLE {name}")
    await connection.close()


async def add(log: Log, *days: int) -> None:
    records = []
    for day in days:
        log.count += 1
        records.append(a_record(aid=log.count, recorded=NOON + day * DAY))
    async with log.database.write(ANYBODY) as connection:
        await AuditLog(connection).append(records)


async def test_every_month_has_its_partition(log: Log):
    if log.owner.startswith("sqlite"):
        assert await AuditUpkeep(log.owner).make_partitions(now=NOON) == []
        return
    assert len(await partitions(log)) > 3, "migrating makes them"
    await forget_partitions(log)
    await add(log, -20, 0)  # 2026-12 and 2027-01, before there is any partition
    upkeep = AuditUpkeep(log.owner)
    assert await upkeep.make_partitions(now=NOON) == [
        "audit_event_before_2027_02",
        "audit_event_2027_02",
        "audit_event_2027_03",
        "audit_event_2027_04",
    ]
    assert await upkeep.make_partitions(now=NOON) == []
    await add(log, 1, 30, 400)  # the last one fits no month that has a partition
    assert await partitions(log) == {
        "audit_event_before_2027_02": 3,
        "audit_event_2027_02": 1,
        "audit_event_2027_03": 0,
        "audit_event_2027_04": 0,
        "audit_event_default": 1,
    }
    made = await upkeep.make_partitions(now=NOON + 400 * DAY)
    assert made[0] == "audit_event_before_2028_03"
    assert (await partitions(log))["audit_event_before_2028_03"] == 1
    await add(log, 401)
    assert (await partitions(log))["audit_event_default"] == 0


async def test_the_relay_makes_partitions_ahead_across_the_end_of_a_year(databases):
    async with a_log(await databases.make("postgresql")) as log:
        await forget_partitions(log)
        december = NOON - 20 * DAY  # 2026-12-26
        log.clock.at = december
        ahead = PartitionsAhead(log.owner, clock=log.clock)
        working = asyncio.create_task(ahead.run())
        async with asyncio.timeout(20):
            while len(await partitions(log)) < 5:
                await asyncio.sleep(0.02)
        ahead.stop()
        await working
        await add(log, -20, -15, -14, 0)  # the last is in January
        assert await partitions(log) == {
            "audit_event_2026_12": 2,
            "audit_event_2027_01": 2,
            "audit_event_2027_02": 0,
            "audit_event_2027_03": 0,
            "audit_event_default": 0,
        }


@pytest.mark.parametrize("verb", ["DELETE FROM", "TRUNCATE", "DROP TABLE"])
async def test_new_partitions_are_as_closed_as_the_first(databases, verb):
    async with a_log(await databases.make("postgresql")) as log:
        await add(log, 0)
        await AuditUpkeep(log.owner).make_partitions(now=NOON)
        connection = await asyncpg.connect(log.owner.replace("rapport_owner", "rapport_app"))
        for name in await partitions(log):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"{verb} {name}")
        await connection.close()


async def test_old_records_leave_and_the_log_says_so(log: Log, tmp_path: Path):
    copy = FileCopy(tmp_path / "copies")
    upkeep = AuditUpkeep(log.owner)
    await upkeep.make_partitions(now=NOON)
    await add(log, 0, 1, 40)
    await log.sequencer(copy).step()
    settings = Settings(env="demo", migration_url=log.owner)
    assert await maintain(log.units, log.trail, settings=settings, clock=log.clock) == []

    log.clock.at = NOON + 6 * YEAR + 60 * DAY
    done = await maintain(log.units, log.trail, settings=settings, clock=log.clock)
    assert done[-1].startswith("records from 20")
    await log.sequencer(copy).step()
    async with log.database.read(ANYBODY) as connection:
        events = [row[0] for row in await connection.fetch(select(audit_event.c.event))]
    assert events.count("audit-retained") == 1
    assert events.count("read") < 3
    verdict = await verify_log(log.units, [copy])
    assert verdict.findings == []
    assert (verdict.entries, verdict.gone) == (4, 3 - events.count("read"))

    again = await maintain(log.units, log.trail, settings=settings, clock=log.clock)
    assert [line for line in again if line.startswith("records")] == []


async def test_what_left_without_a_word_was_removed(log: Log):
    await add(log, 0, 1)
    await log.sequencer().step()
    await AuditUpkeep(log.owner).make_partitions(now=NOON)
    await AuditUpkeep(log.owner).drop_before(NOON + YEAR)
    [first, *_] = (await verify_log(log.units)).findings
    assert "was removed" in first
