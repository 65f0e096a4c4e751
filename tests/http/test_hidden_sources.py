"""What something is made from labels it; a source that is hidden is one that is not there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.answers import ok
from tests.http.resources import observation, patient
from tests.http.writing import put
from tests.support.consents import labels
from tests.support.staff import signed_in

VERY = {"security": labels("V", "SDV")}
THEO = {"reference": "Practitioner/theo"}


@pytest.fixture
async def records(clinic):
    """Of a client of theo's, something very restricted; and all of a client of nobody's."""
    for id in ("anna", "berta"):
        await put(clinic.http, patient(id, id=id))
        secret = {**observation(f"Patient/{id}"), "id": f"secret-{id}", "meta": VERY}
        await put(clinic.http, secret)
    very = {**observation("Patient/anna"), "meta": {"security": labels("V")}}
    await put(clinic.http, {**very, "id": "very-anna"})
    course = {"resourceType": "EpisodeOfCare", "id": "e", "status": "active", "careManager": THEO}
    await put(clinic.http, {**course, "patient": {"reference": "Patient/anna"}})
    return clinic.http


def made_of(kind: str, source: str) -> dict[str, Any]:
    """Something of anna's of a type that is as confidential as what it names."""
    anna, named = {"reference": "Patient/anna"}, {"reference": source}
    common = {"resourceType": kind, "subject": anna}
    return {
        "Observation": observation("Patient/anna", derivedFrom=[named]),
        "Communication": {**common, "status": "completed", "about": [named]},
        "Goal": {
            **common, "lifecycleStatus": "active", "description": {"text": "x"},
            "addresses": [named],
        },
        "CarePlan": {**common, "status": "active", "intent": "plan", "supportingInfo": [named]},
        "Task": {
            "resourceType": "Task", "status": "requested", "intent": "order", "for": anna,
            "focus": named,
        },
        "Provenance": {
            "resourceType": "Provenance", "recorded": "2026-11-02T18:30:00Z",
            "target": [anna, named], "agent": [{"who": THEO}],
        },
    }[kind]  # fmt: skip


KINDS = ("Observation", "Communication", "Goal", "CarePlan", "Task", "Provenance")


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_learns_of_a_hidden_one_by_the_label(clinic, records, kind):
    theo = await signed_in(clinic, "therapist", "Practitioner/theo")
    marked = []
    for id in ("secret-berta", "very-anna", "nobody"):
        answer = await theo.post(kind, json=made_of(kind, f"Observation/{id}"))
        assert answer.status_code in (201, 422), answer.text
        marked.append(answer.json().get("meta", {}).get("security"))
    assert marked[0] == marked[1] == marked[2]


@pytest.mark.parametrize("kind", ["Observation", "Communication"])
async def test_what_one_sees_labels_what_one_makes_of_it(clinic, records, kind):
    theo = await signed_in(clinic, "therapist", "Practitioner/theo")
    ok(await theo.get("Observation/secret-anna"))  # violence he is told of
    answer = await theo.post(kind, json=made_of(kind, "Observation/secret-anna"))
    assert answer.json()["meta"]["security"][0]["code"] == "V"


async def test_what_a_system_brings_is_as_confidential_as_its_source(clinic, records):
    narrow = await clinic.as_client("system/Observation.cu", actor="Organization/lab")
    tree = made_of("Observation", "Observation/very-anna")
    stored = await narrow.post("Observation", json=tree)
    assert stored.json()["meta"]["security"][0]["code"] == "V"
