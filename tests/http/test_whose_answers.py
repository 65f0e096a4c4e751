"""What follows from answers is about whom they are about, and touches nobody else's record."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.clock import SECOND, format_instant
from tests.http.answers import made, ok, resources
from tests.http.resources import ANSWERS, BASE, OURS, encounter, episode, patient, pulse
from tests.http.writing import put
from tests.support.staff import signed_in

TASKS = f"{OURS}/CodeSystem/task-code"
WAITS: dict[str, Any] = {
    "resourceType": "Task", "id": "hers", "status": "requested", "intent": "order",
    "code": {"coding": [{"system": TASKS, "code": "complete-questionnaire"}]},
    "for": {"reference": "Patient/pia"},
    "input": [
        {"type": {"text": "form"}, "valueCanonical": f"{OURS}/Questionnaire/asc-pulse|1.0.0"}
    ],
}  # fmt: skip


def afraid(session: str | None) -> dict[str, Any]:
    """What carl says of his fear, after a session."""
    carl = {"reference": "Patient/carl"}
    answer = {"valueCoding": {"system": ANSWERS, "code": "4"}}
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{OURS}/Questionnaire/asc-couple|1.0.0",
        "status": "completed", "authored": "2026-11-02T18:30:00+01:00",
        "subject": carl, "source": carl,
        **({"encounter": {"reference": session}} if session else {}),
        "item": [{"linkId": "C3", "answer": [answer]}],
    }  # fmt: skip


@pytest.fixture
async def records(clinic):
    """pia, whom tess treats; carl, in whose team theo is; a couple of carl and paul."""
    for id in ("pia", "paul", "carl"):
        await put(clinic.http, patient(id, id=id))
    theo, tess = {"reference": "Practitioner/theo"}, {"reference": "Practitioner/tess"}
    await put(clinic.http, {**episode("Patient/pia"), "id": "e", "careManager": tess})
    couple = [{"entity": {"reference": f"Patient/{id}"}} for id in ("carl", "paul")]
    group = {"resourceType": "Group", "id": "couple", "type": "person", "actual": True}
    await put(clinic.http, {**group, "member": couple})
    for id, subject in (("hers", "Patient/pia"), ("his", "Patient/carl"), ("both", "Group/couple")):
        session = {**encounter(subject), "id": id, "participant": [{"individual": tess}]}
        await put(clinic.http, session)
    team = {"resourceType": "CareTeam", "id": "t", "status": "active"}
    members = {"subject": {"reference": "Patient/carl"}, "participant": [{"member": theo}]}
    await put(clinic.http, {**team, **members})
    return clinic.http


async def owners(clinic, who, session: str) -> list[Any]:
    """Whom the server gave the tasks that follow."""
    made(await who.post("QuestionnaireResponse", json=afraid(session)))
    await clinic.settle()
    found = resources(ok(await who.get(f"Task?patient=Patient/carl&encounter={session}")))
    assert found
    return [each.get("owner") for each in found]


async def test_a_session_of_somebody_else_tells_nobody_who_was_there(clinic, records):
    theo = await signed_in(clinic, "therapist", "Practitioner/theo")
    hidden = await owners(clinic, theo, "Encounter/hers")
    assert hidden == await owners(clinic, theo, "Encounter/nobody") == [None]


@pytest.mark.parametrize("session", ["Encounter/his", "Encounter/both"])
async def test_a_session_of_their_own_does(clinic, records, session):
    theo = await signed_in(clinic, "therapist", "Practitioner/theo")
    assert await owners(clinic, theo, session) == [{"reference": "Practitioner/tess"}]


@pytest.mark.parametrize(
    "subject",
    ["https://elsewhere.example.org/fhir/Patient/pia", "Patient/paul", f"{BASE}/Patient/paul"],
)
async def test_nobody_ends_the_form_that_a_partner_is_to_fill_in(clinic, records, subject):
    await put(records, WAITS)
    paul = await signed_in(clinic, "client", "Patient/paul")
    response = pulse(1, 2, 3, 4, 0, subject=subject, author={"reference": "Patient/paul"})
    made(await paul.post("QuestionnaireResponse", json=response))
    await clinic.settle()
    assert ok(await records.get("Task/hers"))["status"] == "requested"


async def test_answers_end_the_form_however_they_name_the_person(clinic, records):
    await put(records, WAITS)
    pia = await signed_in(clinic, "client", "Patient/pia")
    response = pulse(1, 2, 3, 4, 0, subject=f"{BASE}/Patient/pia")
    made(await pia.post("QuestionnaireResponse", json=response))
    await clinic.settle()
    assert ok(await records.get("Task/hers"))["status"] == "completed"


@pytest.mark.parametrize(
    "whose,status",
    [
        ("Patient/carl", 200),
        (f"{BASE}/Patient/carl", 200),
        ("https://elsewhere.example.org/fhir/Patient/carl", 422),
        ("Group/couple", 422),
    ],
)
async def test_a_link_is_for_a_patient_of_this_server(clinic, records, whose, status):
    rita = await signed_in(clinic, "reception", "Practitioner/rita")
    plain = {name: value for name, value in WAITS.items() if name != "id"}
    task = made(await rita.post("Task", json={**plain, "for": {"reference": whose}}))
    ahead = clinic.application.clock.now() + 3600 * SECOND
    given = {
        "resourceType": "Parameters",
        "parameter": [{"name": "expires", "valueDateTime": format_instant(ahead)}],
    }
    answer = await rita.post(f"{task}/$issue-link", json=given)
    assert answer.status_code == status, answer.text
