"""``$populate`` and ``$extract``: forms filled in from the record, answers as Observations."""

from __future__ import annotations

import pytest

from tests.http.answers import made, ok, refused
from tests.support import therapy
from tests.support.operations import parameters
from tests.support.staff import signed_in

SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition"
LOINC = "http://loinc.org"


def computed(expression, language="text/fhirpath"):
    return {
        "url": f"{SDC}/sdc-questionnaire-initialExpression",
        "valueExpression": {"language": language, "expression": expression},
    }


FORM = {
    "resourceType": "Questionnaire",
    "id": "intake",
    "url": "http://example.org/Questionnaire/intake",
    "version": "2",
    "status": "active",
    "extension": [{"url": f"{SDC}/sdc-questionnaire-observationExtract", "valueBoolean": True}],
    "item": [
        {
            "linkId": "who",
            "type": "group",
            "item": [
                {
                    "linkId": "family",
                    "type": "string",
                    "extension": [computed("%patient.name.first().family")],
                },
                {
                    "linkId": "born",
                    "type": "date",
                    "extension": [computed("%subject.birthDate")],
                },
            ],
        },
        {"linkId": "language", "type": "string", "initial": [{"valueString": "Arabic"}]},
        {
            "linkId": "weight",
            "type": "decimal",
            "code": [{"system": LOINC, "code": "29463-7"}],
            "extension": [
                {
                    "url": f"{SDC}/sdc-questionnaire-observationLinkPeriod",
                    "valueDuration": {
                        "value": 1,
                        "system": "http://unitsofmeasure.org",
                        "code": "a",
                    },
                }
            ],
        },
        {
            "linkId": "smokes",
            "type": "boolean",
            "code": [{"system": LOINC, "code": "72166-2"}],
        },
        {
            "linkId": "private",
            "type": "string",
            "code": [{"system": LOINC, "code": "1-8"}],
            "extension": [
                {"url": f"{SDC}/sdc-questionnaire-observationExtract", "valueBoolean": False}
            ],
        },
        {
            "linkId": "age",
            "type": "integer",
            "extension": [computed("today() - %patient.birthDate")],
        },
    ],
}


@pytest.fixture
async def form(clinic):
    made(await clinic.http.put("Questionnaire/intake", json=FORM))
    return "Questionnaire/intake"


@pytest.fixture
async def patient(clinic):
    person = {
        "resourceType": "Patient",
        "id": "nadia",
        "name": [{"family": "Costa"}, {"family": "Old"}],
        "birthDate": "1988-04-12",
    }
    return made(await clinic.http.put("Patient/nadia", json=person))


def part(answer, name):
    (found,) = [each["resource"] for each in answer["parameter"] if each["name"] == name]
    return found


def answers(node):
    found = {}
    for item in node.get("item", ()):
        if "answer" in item:
            found[item["linkId"]] = next(iter(item["answer"][0].values()))
        found.update(answers(item))
    return found


async def test_a_form_is_filled_in_from_the_record(clinic, form, patient):
    for value, day in ((70.5, "2026-01-01"), (71.2, "2026-06-01")):
        observation = {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": LOINC, "code": "29463-7"}]},
            "subject": {"reference": patient},
            "effectiveDateTime": day,
            "valueQuantity": {"value": value, "unit": "kg"},
        }
        made(await clinic.http.post("Observation", json=observation))
    body = parameters(subject={"reference": patient})
    answer = ok(await clinic.http.post(f"{form}/$populate", json=body))
    response = part(answer, "response")
    assert answers(response) == {
        "family": "Costa",
        "born": "1988-04-12",
        "language": "Arabic",
        "weight": 71.2,
    }
    assert response["status"] == "in-progress"
    assert response["questionnaire"] == "http://example.org/Questionnaire/intake|2"
    assert response["subject"] == {"reference": patient}
    (issue,) = part(answer, "issues")["issue"]
    assert (issue["severity"], issue["code"]) == ("warning", "not-supported")
    assert "age" in issue["expression"][0]


async def test_what_was_filled_in_can_be_stored(clinic, form, patient):
    query = {"canonical": "http://example.org/Questionnaire/intake", "subject": patient}
    response = part(ok(await clinic.http.get("Questionnaire/$populate", params=query)), "response")
    made(await clinic.http.post("QuestionnaireResponse", json=response))


async def test_a_form_that_comes_along_and_a_shipped_one(clinic, patient):
    body = parameters(questionnaire=FORM, subject={"reference": patient})
    answer = ok(await clinic.http.post("Questionnaire/$populate", json=body))
    assert answers(part(answer, "response"))["family"] == "Costa"
    query = {"subject": patient}
    answer = ok(await clinic.http.get("Questionnaire/asc-pulse/$populate", params=query))
    assert "item" not in part(answer, "response")


async def test_populate_needs_a_form_and_a_subject_that_are_there(clinic, form, patient):
    refused(await clinic.http.get(f"{form}/$populate"), 422, "required")
    refused(await clinic.http.get(f"{form}/$populate", params={"subject": "Patient/x"}), 404)
    query = {"subject": patient}
    refused(await clinic.http.get("Questionnaire/$populate", params=query), 422, "required")
    query = {"subject": patient, "canonical": "http://example.org/none"}
    refused(await clinic.http.get("Questionnaire/$populate", params=query), 404, "not-found")


async def test_a_stranger_fills_in_nothing(clinic, form, patient):
    other = await therapy.begin(clinic)
    stranger = await signed_in(clinic, "therapist", other.therapist)
    refused(await stranger.get(f"{form}/$populate", params={"subject": patient}), 404)


def response(patient):
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": "http://example.org/Questionnaire/intake|2",
        "status": "completed",
        "subject": {"reference": patient},
        "authored": "2026-06-02T10:00:00Z",
        "item": [
            {"linkId": "weight", "answer": [{"valueDecimal": 71.2}]},
            {"linkId": "smokes", "answer": [{"valueBoolean": False}]},
            {"linkId": "private", "answer": [{"valueString": "a secret"}]},
        ],
    }


async def test_answers_become_observations_in_a_transaction(clinic, form, patient):
    stored = made(await clinic.http.post("QuestionnaireResponse", json=response(patient)))
    bundle = ok(await clinic.http.get(f"{stored}/$extract"))
    assert bundle["type"] == "transaction"
    weight, smokes = (entry["resource"] for entry in bundle["entry"])
    assert weight["code"]["coding"] == [{"system": LOINC, "code": "29463-7"}]
    assert weight["valueQuantity"] == {"value": 71.2}
    assert smokes["valueBoolean"] is False
    assert weight["derivedFrom"] == [{"reference": stored}]
    assert "a secret" not in str(bundle)
    done = ok(await clinic.http.post("", json=bundle))
    assert [entry["response"]["status"] for entry in done["entry"]] == ["201 Created"] * 2


async def test_answers_that_come_along(clinic, form, patient):
    body = parameters(("questionnaire-response", response(patient)))
    bundle = ok(await clinic.http.post("QuestionnaireResponse/$extract", json=body))
    assert len(bundle["entry"]) == 2


async def test_a_form_without_anything_to_extract_is_refused(clinic, patient):
    tree = response(patient) | {"questionnaire": f"{therapy.OURS}/Questionnaire/asc-pulse|1.0.0"}
    refused(await clinic.http.post("QuestionnaireResponse/$extract", json=tree), 422)
    refused(await clinic.http.post("QuestionnaireResponse/$extract"), 422, "required")
