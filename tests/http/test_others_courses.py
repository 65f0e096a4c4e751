"""Nobody puts a session into a course that is not theirs: it would count among its sessions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.answers import comparable, made, ok, refused
from tests.http.resources import BASE, bundle, encounter, entry, episode, urn
from tests.http.writing import two_courses
from tests.support.consents import actor, consent, provision
from tests.support.staff import signed_in

PATCH = {"Content-Type": "application/json-patch+json"}


def session(whose: str, *courses: str, day: int = 5) -> dict[str, Any]:
    return encounter(
        f"Patient/{whose}",
        period={"start": f"2026-01-{day:02}T17:00:00Z"},
        episodeOfCare=[{"reference": each} for each in courses],
    )


@pytest.fixture
async def records(clinic):
    """Anna's course with Theo, of one session, and Berta's with Tess; Anna denies reception."""
    await two_courses(clinic.http)
    made(await clinic.http.post("Encounter", json=session("anna", "EpisodeOfCare/e-anna")))
    denied = provision("permit", provision("deny", actor=[actor("Practitioner/rita")]))
    made(await clinic.http.put("Consent/k", json=consent("anna", denied, id="k")))
    return clinic.http


async def sessions(who) -> Any:
    return ok(await who.get("EpisodeOfCare/e-anna/$alliance-trend"))


@pytest.mark.parametrize("form", ["{}", f"{BASE}/{{}}", "{}/_history/1"])
@pytest.mark.parametrize("role, who", [("therapist", "tess"), ("reception", "rita")])
async def test_no_session_comes_into_a_course_that_is_hidden(clinic, records, role, who, form):
    """Neither made there nor moved there; and nobody learns whether there is such a course."""
    theo = await signed_in(clinic, "therapist", "Practitioner/theo")
    other = await signed_in(clinic, role, f"Practitioner/{who}")
    before = await sessions(theo)
    own = made(await other.post("Encounter", json=session("berta", "EpisodeOfCare/e-berta")))
    answers = []
    for course in ("e-anna", "nobody"):
        named = form.format(f"EpisodeOfCare/{course}")
        tree = session("berta", "EpisodeOfCare/e-berta", named, day=4)
        added = [{"op": "add", "path": "/episodeOfCare/-", "value": {"reference": named}}]
        answers.append(
            [
                await other.post("Encounter", json=tree),
                await other.put(own, json={**tree, "id": own.partition("/")[2]}),
                await other.patch(own, json=added, headers=PATCH),
            ]
        )
    for hidden, absent in zip(*answers, strict=True):
        refused(hidden, 403, "forbidden")
        assert comparable(hidden) == comparable(absent)
    assert await sessions(theo) == before
    ok(await other.put(own, json={**ok(await other.get(own)), "status": "cancelled"}))


async def test_what_a_session_was_part_of_it_stays_part_of(clinic, records):
    """Whoever moves a shared session need not see the course of both."""
    shared = session("berta", "EpisodeOfCare/e-berta", "EpisodeOfCare/e-anna", day=4)
    made(await records.put("Encounter/shared", json={**shared, "id": "shared"}))
    tess = await signed_in(clinic, "therapist", "Practitioner/tess")
    moved = {**ok(await tess.get("Encounter/shared")), "period": {"start": "2026-01-06T17:00:00Z"}}
    ok(await tess.put("Encounter/shared", json=moved))


async def test_a_course_and_its_sessions_come_together(clinic, records):
    lead = await signed_in(clinic, "clinical_lead", "Practitioner/lea")
    new = urn()
    sent = bundle(
        "transaction",
        entry("POST", "Encounter", session("berta", new), full_url=urn()),
        entry("POST", "EpisodeOfCare", episode("Patient/berta"), full_url=new),
    )
    ok(await lead.post("", json=sent))
