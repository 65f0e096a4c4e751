"""A log that is longer than what one answer counts or goes through, as an auditor asks it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from sqlalchemy import Executable
from sqlalchemy.engine import Dialect

from app.db.engine import CompiledStatement, Statement, compiled
from app.repositories.audit_log import AuditLog
from app.search import merging
from tests.http.answers import ok, refused
from tests.http.resources import patient
from tests.support.application import clinic_of, running
from tests.support.audit_records import a_record
from tests.support.staff import signed_in

MANY, A_MINUTE = 12_000, 60_000_000
RARE = "198.51.100.9"  # an address of three records: the first, the last and one between


def records(tenant: int, until: int) -> list:
    """A record a minute until now: five of six are read, of three patients, by two roles."""
    return [
        a_record(
            tenant=tenant,
            aid=number + 1,
            recorded=until - (MANY - number) * A_MINUTE,
            event="update" if number % 6 == 5 else "read",
            patient=f"p{number % 3}",
            role="supervisor" if number % 4 == 3 else "therapist",
            address=RARE if number in (0, MANY // 2, MANY - 1) else "192.0.2.7",
        )
        for number in range(MANY)
    ]


@pytest_asyncio.fixture(scope="module", params=["sqlite", "postgresql"])
async def log(request, databases):
    """The database of a log."""
    return await databases.make(request.param)


@pytest_asyncio.fixture(scope="module")
async def long(log, tmp_path_factory):
    """A clinic whose log it is."""
    async with running(log, tmp_path_factory.mktemp("log")) as own, clinic_of(own) as clinic:
        tenant = clinic.tenant.id
        database = own.services.units.database
        told = records(tenant, own.clock.now())
        for begin in range(0, MANY, 1000):
            async with database.write(tenant) as connection:
                await AuditLog(connection).append(told[begin : begin + 1000])
        yield clinic


@pytest_asyncio.fixture(scope="module")
async def auditor(long):
    """Their client."""
    return await long.as_client("system/AuditEvent.rs", role="auditor")


@pytest_asyncio.fixture(scope="module")
async def person(long):
    """The one of whom a third of the log tells."""
    await long.http.put("Patient/p1", json=patient("Costa", id="p1"))
    return await signed_in(long, "client", "Patient/p1")


def issues(bundle):
    """What the answer says of itself."""
    return [
        (issue["code"], issue["diagnostics"])
        for entry in bundle.get("entry", ())
        if entry["search"]["mode"] == "outcome"
        for issue in entry["resource"]["issue"]
    ]


def found(bundle):
    return [
        entry["resource"] for entry in bundle.get("entry", ()) if entry["search"]["mode"] == "match"
    ]


def following(bundle):
    """The address of the next page, within the FHIR base."""
    for link in bundle["link"]:
        if link["relation"] == "next":
            address = urlsplit(link["url"])
            return f"{address.path.removeprefix('/fhir/')}?{address.query}"
    return None


@pytest.mark.parametrize(
    "asked, exact",
    [
        ("patient=Patient/p1", MANY // 3),
        ("subtype=update&patient=Patient/p2", MANY // 6),
        ("patient=Patient/p0&subtype=update", 0),
        ("subtype=read&agent-role=therapist", MANY * 2 // 3),
        ("agent-role=therapist", MANY * 3 // 4),
        ("agent-role=supervisor", MANY // 4),
        (f"address={RARE}", 3),
        ("patient=Patient/p1&agent-role=supervisor", MANY // 12),
    ],
)
async def test_totals_are_exact_where_asked_and_near_where_not(auditor, asked, exact):
    """``read``s of the record system and of the auditor are no supervisor's nor therapist's."""
    counted = ok(await auditor.get(f"AuditEvent?{asked}&_summary=count"))
    accurate = ok(await auditor.get(f"AuditEvent?{asked}&_total=accurate&_count=1"))
    assert counted["total"] == accurate["total"] == exact
    assert not issues(counted), "a count is no estimate"
    assert "an estimate" not in str(issues(accurate))
    assert "total" not in ok(await auditor.get(f"AuditEvent?{asked}&_total=none&_count=1"))
    for total in ("", "&_total=estimate"):
        page = ok(await auditor.get(f"AuditEvent?{asked}&_count=1{total}"))
        is_estimate = "the total is an estimate; _total=accurate counts" in str(issues(page))
        by_sample = asked.startswith(("agent-role", "address"))
        assert is_estimate == (exact > 2000 or by_sample), page
        if is_estimate:
            assert exact * 0.9 - 3 <= page["total"] <= exact * 1.1 + 3
        else:
            assert page["total"] == exact


@pytest.mark.parametrize("sort", ["", "-date", "date", "_lastUpdated", "_id", "-date,agent-name"])
async def test_what_no_index_answers_is_gone_through_page_by_page(auditor, monkeypatch, sort):
    """A page goes back so far and no further; following its link finds all there is, once."""
    monkeypatch.setattr(merging, "GOES_BACK", (500, 2500))
    address = f"AuditEvent?address={RARE}&_count=2&_total=none&_sort={sort}".removesuffix("&_sort=")
    seen, pages, told = [], 0, 0
    while address:
        page = ok(await auditor.get(address))
        seen += [each["recorded"] for each in found(page)]
        told += "gone through" in str(issues(page))
        pages += 1
        assert len(found(page)) <= 2
        address = following(page)
    assert len(set(seen)) == len(seen) == 3
    assert seen == sorted(seen, reverse=sort in ("", "-date", "-date,agent-name"))
    assert (told, pages) == (4, 5)


async def test_what_is_frequent_needs_no_going_back(auditor, monkeypatch):
    monkeypatch.setattr(merging, "GOES_BACK", (500, 2500))
    page = ok(await auditor.get("AuditEvent?agent-role=supervisor&_count=100"))
    assert len(found(page)) == 100
    assert "gone through" not in str(issues(page))


async def test_a_time_that_is_short_is_gone_through_at_once(auditor, monkeypatch):
    monkeypatch.setattr(merging, "GOES_BACK", (500, 2500))
    first = found(ok(await auditor.get(f"AuditEvent?address={RARE}&_sort=date&_count=1")))
    day = first[0]["recorded"][:10]
    page = ok(await auditor.get(f"AuditEvent?address={RARE}&date={day}"))
    assert len(found(page)) == page["total"] == 1
    assert not following(page)


async def test_another_order_is_for_what_is_bounded(auditor, monkeypatch):
    """Nothing has the roles in order: to sort all of a long log by them is refused, and why."""
    monkeypatch.setattr(merging, "GOES_BACK", (500, 2500))
    asked = "AuditEvent?address=192.0.2.7&_sort=agent-role&_count=1"
    answer = await auditor.get(asked)
    [issue] = refused(answer, 400, "too-costly")
    assert "by date, patient, agent or entity" in issue["diagnostics"]
    assert ok(await auditor.get(f"{asked}&patient=Patient/p1"))["total"] > 3000
    newest = found(ok(await auditor.get("AuditEvent?patient=Patient/p1&_count=1")))
    ok(await auditor.get(f"{asked}&date={newest[0]['recorded'][:10]}"))


@pytest.mark.parametrize(
    "asked", ["patient=Patient/p1", "agent=Practitioner/pr1", "entity=Observation/o1"]
)
async def test_what_an_index_answers_is_never_gone_through(log, auditor, monkeypatch, asked):
    """SQLite's planner knows of a table what it was told, else it takes the log by time."""
    if not log.url.startswith("sqlite:"):
        return  # it gathers its own statistics
    steps = await steps_of(log, auditor, monkeypatch, f"AuditEvent?{asked}&_sort=-date&_total=none")
    assert any(" INDEX ix_audit_event_" in step for step in steps)
    assert not [step for step in steps if step.endswith("PRIMARY KEY (tenant=?)")]


@pytest.mark.parametrize("asked", ["", "?_summary=count", "?outcome=0&_sort=date", "?action=R"])
async def test_ones_own_log_is_read_by_index_alone(log, person, monkeypatch, asked):
    """What is hidden from a client is looked up, row by row, for the events about them."""
    if not log.url.startswith("sqlite:"):
        return
    steps = await steps_of(log, person, monkeypatch, f"AuditEvent{asked}")
    looked_up = [step for step in steps if "SEARCH resource_" in step or "SEARCH idx_" in step]
    assert looked_up
    assert not [step for step in looked_up if "(tenant=? AND " not in step]
    stored = ("SCAN resource", "SCAN idx_", "SCAN audit_event")
    assert not [step for step in steps if step.startswith(stored)]


async def test_ones_own_log_is_counted_to_the_last_record(person):
    counted = ok(await person.get("AuditEvent?_summary=count&agent-role=supervisor"))
    assert counted["total"] == MANY // 12
    page = ok(await person.get("AuditEvent?agent-role=supervisor&_count=400"))
    seen = found(page)
    while address := following(page):
        page = ok(await person.get(address))
        seen += found(page)
    assert len({each["id"] for each in seen}) == len(seen) == MANY // 12


async def test_what_auditors_ask_looks_nothing_up(log, auditor, monkeypatch):
    """Who sees the whole log pays nothing for what others are not told."""
    if not log.url.startswith("sqlite:"):
        return
    for asked in ("", "?_summary=count", "?patient=Patient/p1", "?agent-role=therapist"):
        steps = await steps_of(log, auditor, monkeypatch, f"AuditEvent{asked}")
        assert steps
        assert not [step for step in steps if "resource" in step or "idx_" in step]


async def steps_of(log, who, monkeypatch, asked: str) -> list[str]:
    """How SQLite goes through the log for what somebody asks."""
    asked_for: list[str] = []

    def recorded(statement: Statement | Executable, dialect: Dialect) -> CompiledStatement:
        found = compiled(statement, dialect)
        asked_for.append(found.sql)
        return found

    monkeypatch.setattr("app.db.sqlite.compiled", recorded)
    ok(await who.get(asked))
    with closing(sqlite3.connect(log.url.removeprefix("sqlite:///"))) as database:
        return [
            step
            for sql in asked_for
            if "FROM audit_event" in sql
            for *_, step in database.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?"))
        ]
