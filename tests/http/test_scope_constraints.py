"""Scopes with a query: what they let through by every way there is, for people and programs."""

import pytest

from tests.support.people import add_client, add_person, authorized, browser, redeem

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
SURVEYS = f"Observation.rs?category={CATEGORY}|survey"


def observation(id, category):
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": id},
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "subject": {"reference": "Patient/anna"},
    }


@pytest.fixture
async def records(clinic):
    await clinic.http.put("Patient/anna", json={"resourceType": "Patient", "id": "anna"})
    for id, category in (("asked", "survey"), ("measured", "vital-signs")):
        answer = await clinic.http.put(f"Observation/{id}", json=observation(id, category))
        assert answer.status_code == 201, answer.text


async def sees_surveys_only(http):
    found = (await http.get("Observation?_total=accurate")).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == ["asked"]
    assert found["total"] == 1
    assert (await http.get("Observation/asked")).status_code == 200
    for path in ("Observation/measured", "Observation/measured/_history/1"):
        hidden, absent = await http.get(path), await http.get(path.replace("measured", "none"))
        assert hidden.status_code == absent.status_code == 404
        assert hidden.content == absent.content
    past = (await http.get("Observation/_history")).json()
    assert [entry["resource"]["id"] for entry in past["entry"]] == ["asked"]
    around = (await http.get("Patient?_id=anna&_revinclude=Observation:patient")).json()
    kept = [entry["resource"]["id"] for entry in around["entry"]]
    assert sorted(kept) == ["anna", "asked"]
    chained = (await http.get("Patient?_has:Observation:patient:_id=measured")).json()
    assert chained.get("entry", []) == []
    refused = await http.put("Observation/asked", json=observation("asked", "survey"))
    assert refused.status_code == 403


async def test_a_program_sees_what_its_scope_says(clinic, records):
    await sees_surveys_only(await clinic.as_client(f"system/Patient.rs system/{SURVEYS}"))


async def test_a_person_s_program_sees_what_its_scope_says(application, clinic, records):
    portal = await add_client(clinic)
    anna = await add_person(clinic, "anna", "client", fhir_user="Patient/anna")
    who = browser(application)
    asked = f"openid patient/Patient.rs patient/{SURVEYS}"
    code = (await authorized(who, anna, portal, asked))["code"]
    await who.http.aclose()
    told = (await redeem(application, portal, code)).json()
    assert set(told["scope"].split()) == set(asked.split())
    headers = {
        "Authorization": f"Bearer {told['access_token']}",
        "Content-Type": "application/fhir+json",
    }
    async with application.http(headers=headers) as http:
        http.base_url = f"{http.base_url}/fhir/"
        await sees_surveys_only(http)
