"""Records of reads commit together, and nobody goes on before their own is durable."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select

from app.core.clock import SECOND
from app.db.engine import DatabaseBusy
from app.db.tables.audit import audit_event
from app.repositories.audit_writer import MOST, AuditWriter
from app.services.audit_refusals import Refusals
from tests.support.audit_log import Log, a_log
from tests.support.audit_records import a_record
from tests.support.databases import ANYBODY


@pytest_asyncio.fixture
async def log(dialect, databases) -> AsyncIterator[Log]:
    async with a_log(await databases.make(dialect)) as made:
        yield made


async def kept(log: Log) -> set[int]:
    async with log.database.read(ANYBODY) as connection:
        return {row[0] for row in await connection.fetch(select(audit_event.c.aid))}


class Watched:
    """A database that counts transactions, and may fail."""

    def __init__(self, database: Any) -> None:
        self.database, self.dialect = database, database.dialect
        self.commits = 0
        self.failing = False

    async def apply(self, changes, whose):
        if self.failing:
            raise DatabaseBusy
        await self.database.apply(changes, whose)
        self.commits += 1


async def test_each_is_durable_when_its_writer_goes_on(log: Log):
    writer = AuditWriter(log.database)

    async def reader(number: int) -> None:
        await writer.write([a_record(aid=number)])
        assert number in await kept(log)

    await asyncio.gather(*(reader(number) for number in range(1, 40)))
    assert await kept(log) == set(range(1, 40))


async def test_those_who_wait_together_commit_together(log: Log):
    database = Watched(log.database)
    writer = AuditWriter(database)  # type: ignore[arg-type]
    await asyncio.gather(*(writer.write([a_record(aid=n)]) for n in range(1, 101)))
    assert len(await kept(log)) == 100
    assert database.commits <= 3
    many = [writer.write([a_record(aid=1000 + n)]) for n in range(MOST + 1)]
    await asyncio.gather(*many)
    assert len(await kept(log)) == 101 + MOST


async def test_one_that_cannot_be_stored_takes_no_other_with_it(log: Log):
    writer = AuditWriter(log.database)
    await writer.write([a_record(aid=5)])
    same_again = a_record(aid=5)
    results = await asyncio.gather(
        *(writer.write([record]) for record in (a_record(aid=1), same_again, a_record(aid=2))),
        return_exceptions=True,
    )
    assert [isinstance(each, Exception) for each in results] == [False, True, False]
    assert await kept(log) == {1, 2, 5}


async def test_nobody_goes_on_while_the_log_cannot_be_written(log: Log):
    database = Watched(log.database)
    writer = AuditWriter(database)  # type: ignore[arg-type]
    database.failing = True
    results = await asyncio.gather(
        *(writer.write([a_record(aid=n)]) for n in range(1, 9)), return_exceptions=True
    )
    assert all(isinstance(each, DatabaseBusy) for each in results)
    database.failing = False
    await writer.write([a_record(aid=50)])
    assert await kept(log) == {50}


async def test_whoever_leaves_early_is_recorded_all_the_same(log: Log):
    writer = AuditWriter(log.database)
    task = asyncio.create_task(writer.write([a_record(aid=7)]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await writer.close()
    assert await kept(log) == {7}


async def test_refusals_of_one_address_are_counted(log: Log):
    refusals = Refusals(AuditWriter(log.database), log.trail, clock=log.clock)
    await refusals.add(address="192.0.2.1", reason="expired")
    assert await counts(log) == [("192.0.2.1", "expired", "1")]
    for _ in range(49):
        await refusals.add(address="192.0.2.1", reason="expired")
    await refusals.add(address="192.0.2.2", reason="expired")
    await refusals.close()
    assert await counts(log) == [
        ("192.0.2.1", "expired", "1"),
        ("192.0.2.1", "expired", "49"),
        ("192.0.2.2", "expired", "1"),
    ]


async def counts(log: Log) -> list[tuple[str, str, str]]:
    async with log.database.read(ANYBODY) as connection:
        rows = await connection.fetch(select(audit_event.c.address, audit_event.c.detail))
    found = [(row[0], json.loads(row[1])) for row in rows]
    return sorted((address, each["reason"], each["count"]) for address, each in found)


async def test_a_second_later_counting_begins_anew(log: Log, monkeypatch):
    over = asyncio.Event()
    monkeypatch.setattr("app.services.audit_refusals.asyncio.sleep", lambda _: over.wait())
    refusals = Refusals(AuditWriter(log.database), log.trail, clock=log.clock)
    for _ in range(3):
        await refusals.add(address="192.0.2.1", reason="expired")
    over.set()
    await asyncio.gather(*refusals._closing)
    log.clock.at += SECOND
    await refusals.add(address="192.0.2.1", reason="expired")
    await refusals.close()
    assert [count for _, _, count in await counts(log)] == ["1", "1", "2"]
