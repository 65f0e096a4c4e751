"""Whatever is asked is in the log: what it was, of whom, and how it ended."""

from __future__ import annotations

import base64
import json

import pytest

from app.repositories.audit_queries import AuditQueries, Question
from app.search.visibility import Visible
from app.services.audit import HOME
from tests.http.answers import made, ok, resources
from tests.http.resources import MRN, bundle, entry, identified, observation, patient

MERGE = {"Content-Type": "application/merge-patch+json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def log(clinic):
    """The events of a subtype, newest first, the auditor's own apart."""
    auditor = await clinic.as_client("system/AuditEvent.rs", role="auditor")

    async def events(subtype, **params):
        query = {"subtype": subtype, "_count": "200", **params}
        found = resources(ok(await auditor.get("AuditEvent", params=query)))
        return [one for one in found if "AuditEvent" not in asked(one)]

    return events


def asked(event):
    """The request that a query event holds, as it was sent."""
    return "\n".join(
        base64.b64decode(one["query"]).decode() for one in event["entity"] if "query" in one
    )


def about(event):
    """The references of an event's entities, without their versions."""
    whats = [one.get("what", {}).get("reference", "") for one in event["entity"]]
    return [what.partition("/_history/")[0] for what in whats if what]


async def test_each_interaction_with_a_record_names_it_and_its_patient(clinic, log):
    ehr = clinic.http
    person = made(await ehr.post("Patient", json=patient()))
    where = made(await ehr.post("Observation", json=observation(person)))
    await ehr.get(where)
    await ehr.head(where)
    await ehr.get(f"{where}/_history/1")
    await ehr.get(f"{where}/_history")
    await ehr.put(where, json=observation(person, 9, id=where.partition("/")[2]))
    await ehr.patch(where, content=b'{"status":"amended"}', headers=MERGE)
    await ehr.get(f"{where}/_history")
    await ehr.delete(where)
    for subtype, action, number in (
        ("create", "C", 1), ("read", "R", 2), ("vread", "R", 1), ("history-instance", "R", 2),
        ("update", "U", 1), ("patch", "U", 1), ("delete", "D", 1),
    ):  # fmt: skip
        found = [one for one in await log(subtype, patient=person) if where in about(one)]
        assert len(found) == number, subtype
        for event in found:
            assert event["action"] == action
            assert event["outcome"] == "0"
            assert {where, person} <= set(about(event)), subtype


async def test_each_question_is_kept_as_it_was_asked(clinic, log):
    ehr = clinic.http
    person = made(await ehr.post("Patient", json=patient("Asked")))
    await ehr.get("Patient?family=Asked")
    await ehr.post("Patient/_search", content="family=Asked&gender:missing=true", headers=FORM)
    await ehr.get("?_type=Patient&_count=3")
    await ehr.get("Patient/_history")
    await ehr.get("_history?_count=1")
    await ehr.get(f"{person}/$everything")
    for subtype, words in (
        ("search-type", "GET /fhir/Patient?family=Asked"),
        ("search-type", "family=Asked&gender:missing=true"),
        ("search-system", "_type=Patient&_count=3"),
        ("history-type", "GET /fhir/Patient/_history"),
        ("history-system", "GET /fhir/_history?_count=1"),
        ("operation", f"GET /fhir/{person}/$everything"),
    ):
        found = [one for one in await log(subtype) if words in asked(one)]
        assert len(found) == 1, (subtype, words)
        assert found[0]["action"] == "E"
        assert person in about(found[0]), subtype


async def test_whose_records_an_answer_showed_is_told_for_each(clinic, log):
    """One event for each patient, found by that patient."""
    ehr = clinic.http
    people = [made(await ehr.post("Patient", json=patient())) for _ in range(3)]
    for person in people:
        await ehr.post("Observation", json=observation(person))
    await ehr.get("Observation?status=final")
    await ehr.get("Observation/_history")
    await ehr.get("Observation?status=final&_include=Observation:subject&_summary=count")
    for subtype in ("search-type", "history-type"):
        for person in people:
            assert len(await log(subtype, patient=person)) == 1, subtype
    counted = [one for one in await log("search-type") if "_summary=count" in asked(one)]
    assert len(counted) == 1
    assert about(counted[0]) == []


async def test_whose_records_were_opened_to_be_sorted_or_compared_is_told_too(clinic, log):
    """The index has no value of these: what is searched is opened, apart from the database."""
    ehr = clinic.http
    person = made(await ehr.post("Patient", json=patient()))
    other = made(await ehr.post("Patient", json=patient()))
    for each, value in ((person, 3), (person, 9), (other, 9)):
        made(await ehr.post("Observation", json=observation(each, value)))
    questions = (
        f"Observation?patient={person}&value-quantity=gt5",
        f"Observation?patient={person}&value-quantity=gt5&_include=Observation:subject",
        f"Observation?patient={person}&_sort=-value-quantity&_count=1",
    )
    for question in questions:
        assert resources(ok(await ehr.get(question)))
        newest = (await log("search-type"))[0]
        assert question.partition("?")[0] in asked(newest)
        assert about(newest) == [person], question
    nothing = f"Observation?patient={person}&value-quantity=gt10"
    assert not resources(ok(await ehr.get(nothing)))
    assert about((await log("search-type"))[0]) == []


async def test_refusals_are_kept_too(clinic, log):
    ehr = clinic.http
    where = made(await ehr.post("Patient", json=identified("1")))
    twin = made(await ehr.post("Patient", json=identified("1")))
    reader = await clinic.as_client("system/Observation.rs")
    await ehr.get("Patient/none")
    await ehr.put(where, json=patient(id="other"))
    await ehr.put(where, json=patient(gender="f", id=where.partition("/")[2]))
    await ehr.put(where, json=patient(id=where.partition("/")[2]), headers={"If-Match": "9"})
    await ehr.delete(f"Patient?identifier={MRN}|1")
    await ehr.get("Patient?birthdate=someday")
    await reader.get(where)
    await reader.get("Patient")
    await ehr.delete(twin)
    await ehr.get(twin)
    outcomes = {}
    for subtype in ("read", "update", "delete", "search-type"):
        outcomes[subtype] = sorted(one["outcome"] for one in await log(subtype))
    assert outcomes == {
        "read": ["4", "4", "8"],
        "update": ["4", "4", "4"],
        "delete": ["0", "4"],
        "search-type": ["4", "8"],
    }


async def test_every_entry_of_a_bundle_is_kept(clinic, log):
    ehr = clinic.http
    where = made(await ehr.post("Patient", json=patient()))
    entries = [
        entry("GET", where),
        entry("GET", f"Observation?patient={where}"),
        entry("POST", "Observation", observation(where)),
    ]
    for kind in ("batch", "transaction"):
        ok(await ehr.post("", json=bundle(kind, *entries)))
        assert len(await log(kind)) == 1
    assert len([one for one in await log("read") if where in about(one)]) == 2
    assert len([one for one in await log("create", patient=where) if where in about(one)]) == 3
    ok(await ehr.post("", json=bundle("batch", entry("GET", "Patient/none"), {"x": 1})))
    assert sorted(one["outcome"] for one in await log("read")) == ["0", "0", "4"]
    assert len(await log("batch")) == 2


async def test_a_change_of_nothing_is_kept_as_asked(clinic, log):
    first = await clinic.http.post("Patient", json=patient())
    ok(await clinic.http.put(made(first), json=first.json()))
    ok(await clinic.http.get(made(first)))
    assert (
        await clinic.http.get(made(first), headers={"If-None-Match": 'W/"1"'})
    ).status_code == 304
    assert len(await log("update")) == 1
    assert len(await log("read")) == 2


async def test_no_event_tells_what_a_record_says(clinic, log):
    secret = "Zacharias-Secret"
    where = made(await clinic.http.post("Patient", json=patient(secret)))
    await clinic.http.put(where, json=patient(secret, id=where.partition("/")[2], gender="male"))
    await clinic.http.post("Patient", json=patient(secret, gender=secret))
    for subtype in ("create", "update"):
        events = await log(subtype)
        assert events
        assert secret not in json.dumps(events)


@pytest.mark.parametrize(
    "method, path, headers, status",
    [
        ("GET", "Nonsense/1", {}, 404),
        ("GET", "Patient/1/$no-such", {}, 404),
        ("PUT", "_history", {}, 405),
        ("PROPFIND", "Patient/1", {}, 405),
        ("GET", "Patient/1", {"Accept": "application/fhir+xml"}, 406),
        ("POST", "Patient", {"Content-Type": "application/fhir+xml"}, 415),
        ("GET", "Patient/1", {"Prefer": "handling=strict", "If-Match": "x"}, None),
    ],
)
async def test_what_is_refused_as_it_came_is_kept(clinic, log, method, path, headers, status):
    answer = await clinic.http.request(method, path, headers=headers)
    assert answer.status_code == status or status is None, answer.text
    kept = [one for one in await log("request") if f"{method} /fhir/{path}" in asked(one)]
    assert len(kept) == (1 if status else 0)
    for event in kept:
        assert event["outcome"] == "4"
        assert event["agent"][0]["who"]["identifier"]["value"]


async def test_what_the_edge_refuses_is_counted_for_its_address(clinic):
    services = clinic.application.services

    async def kept():
        visible = Visible.everything(HOME, reason="a test looks at the log")
        async with services.units.database.read(HOME) as connection:
            found = await AuditQueries(connection).page(
                Question(events=("unauthenticated",)), visible=visible, limit=1000
            )
        told = [json.loads(each.detail or "{}") for each in found if each.address == "192.0.2.7"]
        return [int(one["count"]) for one in told if one.get("reason") == "uri-too-long"]

    before = await kept()
    for _ in range(10):
        async with clinic.application.http() as http:
            answer = await http.get("/fhir/Patient?x=" + "x" * 17_000)
            assert answer.status_code == 414
    await services.refusals.close()
    counts = await kept()
    assert sum(counts) - sum(before) == 10
    assert 2 <= len(counts) - len(before) <= 4
