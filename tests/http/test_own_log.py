"""A client's own log names nothing that is hidden from them, and still tells who looked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.http.answers import ok, refused, resources
from tests.http.own_log import named, told
from tests.http.resources import observation
from tests.http.writing import put
from tests.support import therapy
from tests.support.staff import signed_in
from tests.support.therapy import asc

FEAR = {"C1": 3, "C2": 3, "C3": 4}
DEATH = {str(number): 1 if number == 9 else 0 for number in range(1, 10)}
NOTE = "https://rapport.example.org/CodeSystem/document-type|psychotherapy-note"

VERY = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}


def note(id: str, about: str, **more: Any) -> dict[str, Any]:
    system, _, code = NOTE.partition("|")
    content = [{"attachment": {"contentType": "text/plain", "data": "eA=="}}]
    return {
        "resourceType": "DocumentReference", "id": id, "status": "current",
        "type": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": about}, "content": content, **more,
    }  # fmt: skip


@pytest.fixture
async def records(clinic):
    """The clinic's record system, which may see the most confidential."""
    return await clinic.as_client("system/*.cruds", clearance="V")


@pytest.fixture
async def course(clinic):
    return await therapy.begin(clinic)


@pytest.fixture
async def client(clinic, course):
    return await signed_in(clinic, "client", course.patient)


@pytest.fixture
async def auditor(clinic):
    return await clinic.as_client("system/AuditEvent.rs", name="Auditor", role="auditor")


async def ids(http, type_name: str, course) -> list[str]:
    found = ok(await http.get(type_name, params={"patient": course.patient, "_count": "200"}))
    return [f"{type_name}/{tree['id']}" for tree in resources(found)]


async def test_a_safety_flag_is_not_in_the_log_of_whom_it_is_about(
    clinic, course, client, records, auditor
):
    await course.sessions("asc-couple", [FEAR])
    await course.sessions("phq-9", [DEATH])
    await course.sessions("asc-client", [asc(4, x1="yes")])
    hidden = [*await ids(records, "Flag", course), *await ids(records, "Task", course)]
    assert len(hidden) > 6
    for each in hidden:
        ok(await records.get(each))
        ok(await records.get(f"{each}/_history"))
    tess = await signed_in(clinic, "therapist", course.therapist)
    ok(await tess.get("Flag", params={"patient": course.patient}))
    ok(await tess.get(f"{course.patient}/Flag"))
    answers = await ids(records, "QuestionnaireResponse", course)
    ok(await tess.get(answers[0]))
    events = await told(client, course.patient)
    assert not named(events).intersection(hidden)
    assert "Flag" not in str(named(events))
    assert answers[0] in named(events), "who looked at what the client sees is still told"
    everything = resources(ok(await auditor.get("AuditEvent?_count=500")))
    assert set(hidden) <= named(everything)
    for event in everything:
        about = named([event])
        if about.intersection(hidden):
            refused(await client.get(f"AuditEvent/{event['id']}"), 404)
    for each in hidden:
        assert ok(await client.get(f"AuditEvent?entity={each}"))["total"] == 0
        task = ok(await client.get(f"AuditEvent?entity={each}&_summary=count"))
        assert task["total"] == 0


async def test_deleted_they_are_as_hidden_as_before(course, client, records):
    await course.sessions("asc-couple", [FEAR])
    await course.sessions("phq-9", [DEATH])
    kept = {**observation(course.patient), "id": "kept", "meta": {"security": [VERY]}}
    await put(records, kept)
    hidden = [*await ids(records, "Flag", course), *await ids(records, "Task", course)]
    hidden.append("Observation/kept")
    for each in reversed(hidden):
        gone = await records.delete(each)
        assert gone.status_code in (200, 204), gone.text
    assert not named(await told(client, course.patient)).intersection(hidden)


async def test_alerts_and_what_therapists_rate_are_not_in_it(clinic, course, client, records):
    await course.sessions("wai-sr", [therapy.wai(each) for each in (55, 54, 56, 55, 30, 24)])
    await course.answer("asc-therapist", [asc(4)])
    alerts = await ids(records, "DetectedIssue", course)
    assert alerts
    tess = await signed_in(clinic, "therapist", course.therapist)
    ok(await tess.get(alerts[0]))
    ok(await tess.get("DetectedIssue", params={"patient": course.patient}))
    seen = set(await ids(client, "QuestionnaireResponse", course))
    seen |= set(await ids(client, "Observation", course))
    stored = set(await ids(records, "QuestionnaireResponse", course))
    stored |= set(await ids(records, "Observation", course))
    assert stored > seen
    for each in stored:
        ok(await records.get(each))
    events = named(await told(client, course.patient))
    assert not events.intersection({*alerts, *(stored - seen)})
    assert "DetectedIssue" not in str(events)
    assert seen <= events


async def test_notes_and_what_is_very_restricted_are_not_in_it(clinic, course, client, records):
    tess = await signed_in(clinic, "therapist", course.therapist)
    written = note("", course.patient, author=[{"reference": course.therapist}])
    del written["id"]
    stored = await tess.post("DocumentReference", json=written)
    assert stored.status_code == 201, stored.text
    notes = f"DocumentReference/{stored.json()['id']}"
    ok(await tess.get(notes))
    plain = {**observation(course.patient), "id": "plain"}
    await put(records, plain)
    await put(records, {**plain, "id": "kept", "meta": {"security": [VERY]}})
    for each in ("plain", "kept"):
        ok(await records.get(f"Observation/{each}"))
    events = named(await told(client, course.patient))
    hidden = {notes, "Observation/kept"}
    assert not events.intersection(hidden)
    assert "Observation/plain" in events


async def test_a_search_that_finds_notes_alone_is_not_in_it(clinic, course, client, records):
    """It has a patient only since it found something of theirs."""
    tess = await signed_in(clinic, "therapist", course.therapist)
    written = note("", course.patient, author=[{"reference": course.therapist}])
    del written["id"]
    assert (await tess.post("DocumentReference", json=written)).status_code == 201
    assert ok(await tess.get(f"DocumentReference?patient={course.patient}"))["total"] == 1
    assert ok(await tess.get(f"{course.patient}/DocumentReference"))["total"] == 1
    ok(await tess.get(f"Observation?patient={course.patient}"))
    assert "DocumentReference" not in str(named(await told(client, course.patient)))
    letter = {name: each for name, each in note("letter", course.patient).items() if name != "type"}
    await put(records, letter)
    ok(await client.get("DocumentReference/letter"))
    ok(await tess.get(f"DocumentReference?patient={course.patient}"))
    assert "GET /fhir/DocumentReference?***" in named(await told(client, course.patient))


async def test_what_is_written_about_a_flag_is_not_in_it(clinic, course, client, records):
    await course.sessions("phq-9", [DEATH])
    [flag] = await ids(records, "Flag", course)
    tess = await signed_in(clinic, "therapist", course.therapist)
    why = {
        "resourceType": "Provenance",
        "target": [{"reference": each} for each in (flag, course.patient)],
        "recorded": "2026-01-02T10:00:00Z", "agent": [{"who": {"reference": course.therapist}}],
    }  # fmt: skip
    stored = await tess.post("Provenance", json=why)
    assert stored.status_code == 201, stored.text
    written = f"Provenance/{stored.json()['id']}"
    assert written not in named(await told(client, course.patient))


async def test_neither_of_a_couple_reads_of_it_in_their_log(clinic, course, records):
    await put(records, {"resourceType": "Patient", "id": "paul", "name": [{"family": "Costa"}]})
    couple = [{"entity": {"reference": who}} for who in (course.patient, "Patient/paul")]
    await put(
        records,
        {
            "resourceType": "Group", "id": "couple", "type": "person", "actual": True,
            "member": couple, "meta": {"security": [VERY]},
        },
    )  # fmt: skip
    ok(await records.get("Group/couple"))
    for who in (course.patient, "Patient/paul"):
        own = await signed_in(clinic, "client", who)
        events = await told(own, who)
        assert events
        assert "Group/couple" not in named(events)


async def test_what_was_asked_in_vain_tells_not_whether_it_is_there(course, client, records):
    """A client's own refused requests are told alike, of what is hidden and of nothing."""
    await course.sessions("asc-couple", [FEAR])
    [task] = await ids(records, "Task", course)
    [flag] = await ids(records, "Flag", course)
    pairs = ((task, "Task/nothing", 404), (flag, "Flag/nothing", 403))
    for *both, status in pairs:
        for each in both:
            refused(await client.get(each), status)
    log = [
        event
        for event in resources(ok(await client.get("AuditEvent?_count=500")))
        if event["outcome"] != "0"
    ]
    assert {task, flag, "Task/nothing", "Flag/nothing"} <= named(log)
    for there, nothing, _ in pairs:
        one, other = [
            [
                json.dumps([event["outcome"], event["subtype"], len(event["entity"])])
                for event in log
                if each in named([event])
            ]
            for each in (there, nothing)
        ]
        assert one == other


async def test_totals_and_pages_leave_them_out(course, client, records):
    await course.sessions("asc-couple", [FEAR])
    hidden = [*await ids(records, "Flag", course), *await ids(records, "Task", course)]
    for _ in range(3):
        for each in hidden:
            ok(await records.get(each))
    page = ok(await client.get("AuditEvent?_count=2&outcome=0&date=ge2000&_sort=date"))
    total, seen = page["total"], resources(page)
    while link := next((x["url"] for x in page["link"] if x["relation"] == "next"), None):
        page = ok(await client.get(link))
        assert len(resources(page)) <= 2
        seen += resources(page)
    assert not named(seen).intersection(hidden)
    assert len({event["id"] for event in seen}) == len(seen) >= total
