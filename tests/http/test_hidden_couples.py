"""Whoever writes of a couple that is hidden learns neither that there is one nor that it ended."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.answers import comparable, made, ok, refused
from tests.http.resources import BASE, bundle, couple, encounter, entry, goal, patient, urn
from tests.http.writing import put
from tests.support.consents import actor, consent, provision
from tests.support.staff import signed_in

STAFF = {"therapist": "theo", "reception": "rita", "clinical_lead": "lea"}
ENDED = {"end": "2026-02-01"}


def group(id: str, *members: str, **first: Any) -> dict[str, Any]:
    stated = couple(*(f"Patient/{one}" for one in members), id=id)
    stated["member"][0] |= first
    return stated


@pytest.fixture
async def records(clinic):
    """Two couples, one of them separated, who deny everybody; and theo's own client."""
    for id in ("pia", "paul", "carl"):
        await put(clinic.http, patient(id, id=id))
    for id, ended in (("open", {}), ("over", {"period": ENDED})):
        await put(clinic.http, group(id, "pia", "paul"))
        await put(clinic.http, group(id, "pia", "paul", **ended))
    await put(clinic.http, group("others", "carl"))
    theo = {"careManager": {"reference": "Practitioner/theo"}}
    course = {"resourceType": "EpisodeOfCare", "id": "e", "status": "active", **theo}
    await put(clinic.http, {**course, "patient": {"reference": "Patient/carl"}})
    people = [actor(f"Practitioner/{id}") for id in STAFF.values()]
    rules = provision("permit", provision("deny", actor=people))
    await put(clinic.http, consent("pia", rules, id="k"))
    return clinic.http


@pytest.mark.parametrize("form", ["Group/{}", f"{BASE}/Group/{{}}"])
@pytest.mark.parametrize("role", STAFF)
async def test_nobody_makes_anything_about_it(clinic, records, role, form):
    who = await signed_in(clinic, role, f"Practitioner/{STAFF[role]}")
    for kind, tree in (("Encounter", encounter), ("Goal", goal)):
        answers = [
            await who.post(kind, json=tree(form.format(id))) for id in ("open", "over", "nobody")
        ]
        assert {answer.status_code for answer in answers} == {403}, kind
        assert comparable(answers[0]) == comparable(answers[1]) == comparable(answers[2])


@pytest.mark.parametrize("role", ["reception", "clinical_lead"])
async def test_nobody_moves_anything_there(clinic, records, role):
    who = await signed_in(clinic, role, f"Practitioner/{STAFF[role]}")
    own = made(await who.post("Encounter", json=encounter("Group/others")))
    answers = []
    for id in ("open", "over", "nobody"):
        tree = {**encounter(f"Group/{id}"), "id": own.partition("/")[2]}
        answers.append(await who.put(own, json=tree))
    assert {answer.status_code for answer in answers} == {403}
    assert comparable(answers[0]) == comparable(answers[1]) == comparable(answers[2])
    ok(await who.put(own, json={**ok(await who.get(own)), "status": "cancelled"}))


async def test_who_may_write_of_them_is_told_that_they_separated(clinic, records):
    await put(records, {**consent("pia", provision("permit"), id="k")})
    rita = await signed_in(clinic, "reception", "Practitioner/rita")
    made(await rita.post("Encounter", json=encounter("Group/open")))
    refused(await rita.post("Encounter", json=encounter("Group/over")), 422, "business-rule")


async def test_a_couple_and_what_is_about_it_come_together(clinic, records):
    theo = await signed_in(clinic, "therapist", "Practitioner/theo")
    alone, couple = group("x", "carl"), urn()
    del alone["id"]
    sent = bundle(
        "transaction",
        entry("POST", "Group", alone, full_url=couple),
        entry("POST", "Encounter", encounter(couple), full_url=urn()),
    )
    ok(await theo.post("", json=sent))
