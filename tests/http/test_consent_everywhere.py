"""A Consent reaches whoever belongs to whom it names, and every way to the data at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.http.answers import ok, refused
from tests.http.resources import observation, patient
from tests.http.writing import put
from tests.support import therapy
from tests.support.consents import actor, consent, labels, provision
from tests.support.staff import signed_in
from tests.support.therapy import pulse

THEO = {"reference": "Practitioner/theo"}
LAB = {"reference": "Organization/lab"}
ENDED = {"start": "2019-01-01", "end": "2020-01-01"}

# By whom the Consent names: what makes Theo one of them, and what then ends that.
MEMBERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Group/circle": (
        {"type": "practitioner", "actual": True, "member": [{"entity": THEO}]},
        {"member": [{"entity": THEO, "inactive": True}]},
    ),
    "CareTeam/team": (
        {"status": "active", "participant": [{"member": THEO}]},
        {"participant": [{"member": THEO, "period": ENDED}]},
    ),
    "Organization/lab": (
        {"active": True, "practitioner": THEO, "organization": LAB},
        {"active": False},
    ),
    "PractitionerRole/role": (
        {"active": True, "practitioner": THEO, "organization": LAB},
        {"period": ENDED},
    ),
}


@pytest.fixture
async def records(clinic):
    ehr = clinic.http
    await put(ehr, {"resourceType": "Practitioner", "id": "theo"})
    await put(ehr, {"resourceType": "Organization", "id": "lab", "name": "Laboratory"})
    await put(ehr, patient(id="anna"))
    await put(ehr, {**observation("Patient/anna"), "id": "score"})
    return ehr


@pytest.fixture
async def theo(clinic, records):
    return await signed_in(clinic, "therapist", "Practitioner/theo")


@pytest.mark.parametrize("named", MEMBERS)
async def test_who_belongs_to_whom_it_names_is_named(records, theo, named):
    belongs, ends = MEMBERS[named]
    type_name, id = named.split("/")
    if type_name == "Organization":
        type_name, id = "PractitionerRole", "role"
    member = {"resourceType": type_name, "id": id, **belongs}
    rules = provision("permit", actor=[actor(named)], securityLabel=labels("R"))
    await put(records, {**consent("anna", rules), "id": "c"})
    refused(await theo.get("Observation/score"), 404)
    await put(records, member)
    assert ok(await theo.get("Observation/score"))["id"] == "score"
    assert ok(await theo.get("Observation?subject=Patient/anna"))["total"] == 1
    await put(records, {**member, **ends})
    refused(await theo.get("Observation/score"), 404)
    assert ok(await theo.get("Observation?subject=Patient/anna"))["total"] == 0


async def test_a_withdrawal_closes_what_is_made_of_the_answers_too(clinic):
    course = await therapy.begin(clinic)
    await course.sessions("asc-pulse", [pulse(s) for s in (15, 15, 16, 17, 10)])
    await put(course.http, {"resourceType": "Practitioner", "id": "theo"})
    who = course.patient.partition("/")[2]
    rules = provision("permit", actor=[actor(THEO["reference"])], securityLabel=labels("R"))
    given = {**consent(who, rules), "id": "c"}
    await put(course.http, given)
    theo = await signed_in(clinic, "therapist", THEO["reference"])
    ways = (
        f"{course.episode}/$alliance-trend",
        f"{course.episode}/$alliance-chart",
        f"Observation?subject={course.patient}",
        f"DetectedIssue?patient={course.patient}",
        f"{course.patient}/$everything",
    )

    async def seen() -> list[bool]:
        found = []
        for way in ways:
            answer = await theo.get(way)
            is_page = "?" in way and answer.status_code == 200
            found.append(answer.json()["total"] > 0 if is_page else answer.status_code == 200)
        return found

    assert await seen() == [True] * len(ways)
    await put(course.http, {**given, "status": "inactive"})
    assert await seen() == [False] * len(ways)


async def test_a_consent_of_the_past_stays_what_it_was(records):
    rules = provision("permit", actor=[actor(LAB["reference"])])
    first = await put(records, {**consent("anna", rules), "id": "c"})
    text = (await records.get("Consent/c/_history/1")).content
    await put(records, {**first.json(), "status": "inactive"})
    assert (await records.delete("Consent/c")).status_code in (200, 204)
    assert (await records.get("Consent/c/_history/1")).content == text
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        answer = await records.request(method, "Consent/c/_history/1", content=text)
        assert answer.status_code in (404, 405), f"{method} {answer.status_code}"
    assert (await records.get("Consent/c/_history/1")).content == text


async def test_a_client_may_raise_a_label_of_their_own_and_not_lower_one(clinic, records):
    anna = await signed_in(clinic, "client", "Patient/anna")

    def answer(*codes: str) -> dict[str, Any]:
        return {
            "resourceType": "QuestionnaireResponse",
            "questionnaire": "https://rapport.example.org/Questionnaire/asc-pulse|1.0.0",
            "status": "in-progress",
            "subject": {"reference": "Patient/anna"},
            "author": {"reference": "Patient/anna"},
            "meta": {"security": labels(*codes)},
        }

    def codes_of(tree: dict[str, Any]) -> set[str]:
        return {coding["code"] for coding in tree["meta"]["security"]}

    made = await anna.post("QuestionnaireResponse", json=answer("N"))
    assert made.status_code == 201, made.text
    assert "R" in codes_of(made.json()), "what a form holds is restricted, whatever is asked"
    address = f"QuestionnaireResponse/{made.json()['id']}"
    id = {"id": made.json()["id"]}
    raised = await anna.put(address, json={**answer("R", "HIV"), **id})
    assert codes_of(ok(raised)) >= {"R", "HIV"}
    lowered = await anna.put(address, json={**answer("N"), **id, "status": "stopped"})
    if lowered.status_code == 200:
        assert codes_of(lowered.json()) >= {"R", "HIV"}
    patched = await anna.patch(
        address,
        content=json.dumps([{"op": "replace", "path": "/meta/security", "value": labels("N")}]),
        headers={"Content-Type": "application/json-patch+json"},
    )
    if patched.status_code == 200:
        assert codes_of(patched.json()) >= {"R", "HIV"}
    assert codes_of(ok(await anna.get(address))) >= {"R", "HIV"}


async def test_an_emergency_writes_no_consent(clinic, records, theo):
    declared = await theo.post(
        "Patient/anna/$break-glass",
        json={
            "resourceType": "Parameters",
            "parameter": [{"name": "reason", "valueCode": "ETREAT"}],
        },
    )
    assert declared.status_code == 200, declared.text
    assert ok(await theo.get("Patient/anna"))["id"] == "anna"
    rules = provision("permit", actor=[actor(THEO["reference"])])
    for answer in (
        await theo.post("Consent", json=consent("anna", rules)),
        await theo.put("Consent/new", json={**consent("anna", rules), "id": "new"}),
    ):
        assert answer.status_code in (403, 404), answer.text
    assert ok(await records.get("Consent?patient=Patient/anna"))["total"] == 0
