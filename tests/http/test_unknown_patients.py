"""What staff write of a patient who is not there for them: nobody, or one who denies them."""

import pytest

from tests.support.consents import actor, consent, provision
from tests.support.staff import signed_in

LEAD = "Practitioner/lea"


def episode(patient, **members):
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "EpisodeOfCare", "status": "active", "patient": subject, **members}


def goal(patient):
    return {
        "resourceType": "Goal",
        "id": f"g-{patient}",
        "lifecycleStatus": "active",
        "description": {"text": "sleep"},
        "subject": {"reference": f"Patient/{patient}"},
    }


def message(patient, *more):
    return {
        "resourceType": "Communication",
        "status": "completed",
        "subject": {"reference": f"Patient/{patient}"},
        **({"recipient": [{"reference": f"Patient/{one}"} for one in more]} if more else {}),
    }


@pytest.fixture
async def lead(clinic):
    """The clinical lead, whom berta denies."""
    for id in ("anna", "berta"):
        assert (
            await clinic.http.put(f"Patient/{id}", json={"resourceType": "Patient", "id": id})
        ).is_success
    denied = provision("permit", provision("deny", actor=[actor(LEAD)]))
    await clinic.http.put("Consent/k-berta", json=consent("berta", denied, id="k-berta"))
    return await signed_in(clinic, "clinical_lead", LEAD)


@pytest.mark.parametrize("written", [episode, message, lambda who: message("anna", who)])
async def test_a_refusal_does_not_tell_that_there_is_a_patient(lead, written):
    answers = [
        await lead.post(tree["resourceType"], json=tree)
        for tree in (written("berta"), written("nobody"), written("anna"))
    ]
    there, nowhere, seen = answers
    assert seen.status_code == 201, seen.text
    assert there.status_code == nowhere.status_code == 403
    assert there.content == nowhere.content


async def test_a_patient_and_what_is_theirs_come_together_in_any_order(lead):
    entries = [
        {
            "resource": {
                **episode("x"),
                "patient": {"reference": "urn:uuid:5b0cfd61-8f3c-4b1d-9a4f-0d2c3ce1f0aa"},
            },
            "request": {"method": "POST", "url": "EpisodeOfCare"},
        },
        {
            "fullUrl": "urn:uuid:5b0cfd61-8f3c-4b1d-9a4f-0d2c3ce1f0aa",
            "resource": {"resourceType": "Patient"},
            "request": {"method": "POST", "url": "Patient"},
        },
    ]
    for entry in (entries, entries[::-1]):
        whole = {"resourceType": "Bundle", "type": "transaction", "entry": entry}
        answer = await lead.post("", json=whole)
        assert answer.status_code == 200, answer.text


async def test_what_was_deleted_stays_hidden_from_whom_its_patient_denies(lead, clinic):
    for patient in ("anna", "berta"):
        for tree in ({**episode(patient), "id": f"e-{patient}"}, goal(patient)):
            path = f"{tree['resourceType']}/{tree['id']}"
            assert (await clinic.http.put(path, json=tree)).status_code == 201
            assert (await clinic.http.delete(path)).is_success
            answer = await lead.get(path)
            past = await lead.get(f"{path}/_history")
            wanted = (410, 200) if patient == "anna" else (404, 404)
            assert (answer.status_code, past.status_code) == wanted, path
    for path in ("_history", "Goal/_history", "EpisodeOfCare/_history"):
        past = (await lead.get(f"{path}?_count=100")).content
        assert b"/e-berta" not in past and b"/g-berta" not in past, path
