"""A form that a transaction brings is the one that all its answers are checked against."""

from __future__ import annotations

from typing import Any

from tests.support.application import Clinic

URL = "https://forms.example.org/Questionnaire/mood"


def form(kind: str) -> dict[str, Any]:
    return {
        "resourceType": "Questionnaire",
        "id": "mood",
        "url": URL,
        "version": "1",
        "status": "draft",
        "item": [{"linkId": "1", "text": "How are you?", "type": kind}],
    }


def answers(id: str, **value: Any) -> dict[str, Any]:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": id,
        "questionnaire": f"{URL}|1",
        "status": "completed",
        "subject": {"reference": "Patient/anna"},
        "item": [{"linkId": "1", "answer": [value]}],
    }


def put(resource: dict[str, Any]) -> dict[str, Any]:
    place = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource, "request": {"method": "PUT", "url": place}}


async def test_answers_are_checked_against_the_form_that_comes_with_them(clinic: Clinic):
    await clinic.http.put("Patient/anna", json={"resourceType": "Patient", "id": "anna"})
    assert (await clinic.http.put("Questionnaire/mood", json=form("string"))).status_code == 201

    async def sent(**value: Any) -> int:
        entry = [put(answers("one", **value)), put(form("integer")), put(answers("two", **value))]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entry}
        return (await clinic.http.post("", json=bundle)).status_code

    assert await sent(valueString="well") == 422
    assert await sent(valueInteger=3) == 200
