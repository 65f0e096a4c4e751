"""What an auditor asks, how the log stands, what is unusual, and what leaves as a table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from app.core.clock import SECOND
from app.core.errors import AppError
from app.fhir.registry import REGISTRY
from app.repositories.audit_log import AuditLog
from app.repositories.audit_queries import AuditQueries, Question, every
from app.search.visibility import Alternative, Visible
from app.services.audit_copies import FileCopy
from app.services.audit_standing import standing
from app.services.audit_tables import HEADER, csv_lines, event_lines, row_of
from app.services.audit_watch import AlertRule, AuditWatch, alert_rules
from tests.support.audit_log import Log, a_log
from tests.support.audit_records import NOON, a_record, a_system_record
from tests.support.databases import ANYBODY

EVENT = REGISTRY["AuditEvent"].code
AUDITOR = Visible(1, {EVENT: (Alternative(),)})
HOUR = 3600 * SECOND


@pytest_asyncio.fixture
async def log(dialect, databases) -> AsyncIterator[Log]:
    async with a_log(await databases.make(dialect)) as made:
        yield made


RECORDS = [
    a_record(recorded=NOON),
    a_record(recorded=NOON + HOUR, patient="p2", actor="Practitioner/pr2", name="Åsa Öst"),
    a_record(recorded=NOON + 2 * HOUR, purpose="BTG", basis="break-glass", patient="p2"),
    a_record(recorded=NOON + 3 * HOUR, event="break-glass", entity=None, purpose="BTG"),
    a_record(recorded=NOON + 4 * HOUR, outcome="8", reason="forbidden", decision="deny"),
    a_record(recorded=NOON + 5 * HOUR, actor="Patient/p1", name="Pat", role="patient"),
    a_system_record(recorded=NOON + 6 * HOUR),
    a_record(recorded=NOON + 7 * HOUR, tenant=2),
]
RECORDS = [replace(each, aid=number) for number, each in enumerate(RECORDS)]
QUESTIONS = [
    (Question(), [6, 5, 4, 3, 2, 1, 0]),
    (Question(patient="p2"), [2, 1]),
    (Question(user="ASA"), [1]),
    (Question(user="Practitioner/pr2"), [1]),
    (Question(user="user-1", since=NOON + 4 * HOUR), [5, 4]),
    (Question(client="ehr"), [6]),
    (Question(purpose="BTG"), [3, 2]),
    (Question(break_glass=True), [3, 2]),
    (Question(failed=True), [4]),
    (Question(failed=False, since=NOON + 3 * HOUR, until=NOON + 5 * HOUR), [3]),
    (Question(events=("create", "break-glass")), [6, 3]),
    (Question(entity="Encounter/e1"), [6]),
    (Question(patient="p1", not_by_patient=True), [6, 4, 3, 0]),
    (Question(bases=("break-glass",)), [2]),
    (Question(roles=("patient",)), [5]),
]


@pytest_asyncio.fixture
async def filled(log: Log) -> Log:
    async with log.database.write(ANYBODY) as connection:
        await AuditLog(connection).append(RECORDS)
    return log


async def test_questions_have_their_answers(filled: Log):
    async with filled.database.read(ANYBODY) as connection:
        for question, expected in QUESTIONS:
            found = await AuditQueries(connection).page(question, visible=AUDITOR, limit=20)
            assert [each.aid for each in found] == expected, question
            assert all(RECORDS[each.aid] == each for each in found)


async def test_pages_go_on_where_the_last_one_ended(filled: Log):
    async with filled.database.read(ANYBODY) as connection:
        queries = AuditQueries(connection)
        first = await queries.page(Question(), visible=AUDITOR, limit=3)
        key = (first[-1].recorded, first[-1].aid)
        rest = await queries.page(Question(), visible=AUDITOR, limit=9, after=key)
    assert [each.aid for each in (*first, *rest)] == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    "visible",
    [Visible(1, {}), Visible(1, {EVENT: (Alternative(compartment=(1, "p1")),)})],
    ids=["nothing", "own"],
)
async def test_questions_are_for_auditors(filled: Log, visible):
    async with filled.database.read(ANYBODY) as connection:
        with pytest.raises(AppError, match="forbidden"):
            await AuditQueries(connection).page(Question(), visible=visible, limit=1)


# ----------------------------------------------------------------------------------- alerts


async def test_unusual_access_is_told_once(filled: Log):
    filled.clock.at = NOON + 5 * HOUR
    many = [
        a_record(aid=100 + n, recorded=filled.clock.at - n * SECOND, patient=f"many-{n}")
        for n in range(40)
    ]
    outside = a_record(
        aid=900, recorded=filled.clock.at, role="clinical_lead", basis="role", patient="many-1"
    )
    night = a_record(aid=901, recorded=NOON - 9 * HOUR, event="break-glass", patient="p8")
    async with filled.database.write(ANYBODY) as connection:
        await AuditLog(connection).append([*many, outside, night])
    watch = AuditWatch(filled.units, filled.trail, clock=filled.clock)
    alerts = await watch.look()
    assert {(each.entity_name, each.entity, each.patient) for each in alerts} == {
        ("bulk-reading", "Practitioner/pr1", None),
        ("outside-care", "Practitioner/pr1", "many-1"),
        ("outside-care", "Practitioner/pr1", "p2"),
        ("night-break-glass", f"AuditEvent/{night.id}", "p8"),
    }
    [bulk] = [each for each in alerts if each.entity_name == "bulk-reading"]
    assert json.loads(str(bulk.detail))["count"] == "40"
    assert await watch.look() == []
    async with filled.database.read(ANYBODY) as connection:
        kept = await AuditQueries(connection).page(
            Question(events=("alert",)), visible=AUDITOR, limit=9
        )
    assert {each.id for each in kept} == {each.id for each in alerts}


@pytest.mark.parametrize(
    "zone, is_night", [("UTC", False), ("Asia/Tokyo", True), ("America/Anchorage", True)]
)
async def test_it_is_night_by_the_clock_of_the_clinic(filled: Log, zone, is_night):
    """NOON is eight o'clock in the morning in Greenwich, in the middle of January."""
    async with filled.units.write(ANYBODY) as unit:
        await unit.installation.set_zone(1, zone)
    hours = {"Asia/Tokyo": 5, "America/Anchorage": 0}.get(zone, 4)
    glass = a_record(aid=910, recorded=NOON + hours * HOUR, event="break-glass", patient="p9")
    filled.clock.at = NOON + 6 * HOUR
    async with filled.database.write(ANYBODY) as connection:
        await AuditLog(connection).append([glass])
    alerts = await AuditWatch(filled.units, filled.trail, clock=filled.clock).look()
    told = [each.entity for each in alerts if each.entity_name == "night-break-glass"]
    assert (f"AuditEvent/{glass.id}" in told) is is_night


async def test_the_sequencer_watches(filled: Log):
    rule = AlertRule("bulk-reading", "Many", 86_400, patients=2)
    watch = AuditWatch(filled.units, filled.trail, clock=filled.clock, rules=[rule])
    sequencer = filled.sequencer()
    sequencer._watch = watch
    await sequencer.step()
    await sequencer.step()
    async with filled.database.read(ANYBODY) as connection:
        alerts = await AuditQueries(connection).page(
            Question(events=("alert",)), visible=AUDITOR, limit=9
        )
    assert [each.entity for each in alerts] == ["Practitioner/pr1"]


def test_shipped_rules_say_what_they_measure():
    for rule in alert_rules():
        assert sum(map(bool, (rule.patients, rule.bases, rule.hours))) == 1
        assert rule.text


# --------------------------------------------------------------------------------- standing


async def test_the_log_stands_or_says_why_not(filled: Log, tmp_path: Path):
    copy = FileCopy(tmp_path / "copies")

    async def problems() -> tuple[str, ...]:
        return (await standing(filled.units, [copy], clock=filled.clock)).problems

    assert await problems() == ("none",)
    await filled.sequencer(copy).step()
    now = await standing(filled.units, [copy], clock=filled.clock)
    assert (now.is_sound, now.size, now.at) == (True, 8, NOON)
    await filled.add(1, recorded=NOON + 9 * HOUR)
    filled.clock.at += 11 * SECOND
    assert await problems() == ("late",)
    await filled.sequencer(copy).step()
    assert await problems() == ()
    await filled.execute("UPDATE audit_leaf SET tenant = 2, recorded = 0 WHERE leaf_index = 3")
    assert await problems() == ("root", "copy")
    await filled.execute("DELETE FROM audit_leaf WHERE leaf_index > 3")
    await filled.execute("DELETE FROM audit_checkpoint WHERE size > 8")
    assert "set-back" in await problems()


# ----------------------------------------------------------------------------------- tables


async def test_everything_that_answers_leaves_in_pieces(filled: Log, monkeypatch):
    monkeypatch.setattr("app.repositories.audit_queries._CHUNK", 2)
    pieces = [
        [each.aid for each in piece]
        async for piece in every(filled.database, Question(failed=False), visible=AUDITOR)
    ]
    assert pieces == [[6, 5], [3, 2], [1, 0]]


def test_events_leave_one_a_line():
    lines = event_lines(RECORDS).splitlines()
    assert [json.loads(line)["id"] for line in lines] == [each.id for each in RECORDS]


@given(st.text(st.characters(codec="utf-8")))
def test_no_cell_is_a_formula_and_no_cell_breaks_a_line(text):
    record = a_record(name=text, entity_name=text, detail=text)
    written = csv_lines([HEADER, row_of(record)])
    rows = list(csv.reader(io.StringIO(written.decode(), newline="")))
    assert len(rows) == 2
    assert len(rows[1]) == len(HEADER)
    assert len(written.decode().splitlines()) == 2
    for cell in rows[1]:
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "|", "%"))


def test_what_a_search_asked_for_is_not_in_the_table():
    record = a_record(event="search-type", query="GET /fhir/Patient?name=Secret", entity=None)
    assert b"Secret" not in csv_lines([row_of(record)])
