"""``$explain-access`` against what searches really find: random callers, resources, purposes.

The suite asks of a hundred or so; ``RAPPORT_TEST_PAIRS=10000`` asks of as many.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from app.domain.consent import Implicit
from app.services import explaining
from tests.http.test_access_operations import breaks
from tests.integration.test_consents import HIE, LEA, TESS, THEO, WORLD, World
from tests.support.consents import actor, consent, data, labels, provision, purposes
from tests.support.eyes import eyes
from tests.support.people import add_person

PAIRS = int(os.environ.get("RAPPORT_TEST_PAIRS", "100"))
RECEPTION, SUPERVISOR = "Practitioner/rita", "Practitioner/sana"
TEAM = {
    "resourceType": "CareTeam",
    "id": "supervision",
    "status": "active",
    "category": [
        {
            "coding": [
                {
                    "system": "https://rapport.example.org/CodeSystem/care-team-category",
                    "code": "supervision",
                }
            ]
        }
    ],
    "participant": [{"member": {"reference": each}} for each in (TESS, SUPERVISOR)],
}
CIRCLE = {
    "resourceType": "Group",
    "id": "circle",
    "type": "practitioner",
    "actual": True,
    "member": [{"entity": {"reference": each}} for each in (THEO, RECEPTION)],
}
RESOURCES = [
    *(f"{tree['resourceType']}/{tree['id']}" for tree in WORLD),
    "Consent/c-anna", "Consent/c-berta", "Consent/c-second",
]  # fmt: skip
TYPES = sorted({each.partition("/")[0] for each in RESOURCES})
GROUPS = ("Group/couple", "Group/circle", "CareTeam/supervision")
NAMED = (TESS, THEO, HIE, LEA, SUPERVISOR, *GROUPS)
PURPOSES = ("TREAT", "HRESCH", "HOPERAT", "BTG", "PATRQST")


@pytest.fixture
async def world(clinic):
    made = World(clinic)
    people = [{"resourceType": "Practitioner", "id": id} for id in ("rita", "sana")]
    await made.put(*people, *WORLD, TEAM, CIRCLE)
    for role, person in (
        ("therapist", TESS), ("therapist", THEO), ("clinical_lead", LEA),
        ("reception", RECEPTION), ("supervisor", SUPERVISOR),
        ("client", "Patient/anna"), ("client", "Patient/berta"),
    ):  # fmt: skip
        await add_person(clinic, person.partition("/")[2], role, fhir_user=person)
    own = f"Organization/{clinic.tenant.slug}"
    await clinic.as_client("system/*.rs", role="system", actor=own)
    await clinic.as_client("system/*.rs", role="outside_system", actor=HIE, clearance="N")
    return made


def looking(world):
    """Everybody who looks, as their requests are let in."""
    clinic = world.clinic
    return {
        TESS: world.tess, THEO: world.theo, LEA: world.lea, HIE: world.hie,
        RECEPTION: eyes(clinic, "reception", RECEPTION),
        SUPERVISOR: eyes(clinic, "supervisor", SUPERVISOR),
        "Patient/anna": world.anna, "Patient/berta": world.berta,
        f"Organization/{clinic.tenant.slug}": world.ehr,
    }  # fmt: skip


def rule(draw, *nested):
    """A provision about anybody and anything."""
    criteria: dict[str, Any] = {}
    if draw.random() < 0.6:
        criteria["actor"] = [actor(draw.choice(NAMED))]
    if draw.random() < 0.3:
        criteria["purpose"] = purposes(draw.choice(PURPOSES))
    about = draw.choice(("", "", "label", "class", "data", "time"))
    if about == "label":
        criteria["securityLabel"] = labels(draw.choice(("N", "R", "V", "SDV", "PSYTHPN")))
    elif about == "class":
        criteria["class"] = [{"code": draw.choice(("Observation", "Goal", "Encounter"))}]
    elif about == "data":
        meaning = draw.choice(("instance", "related", "dependents", "authoredby"))
        named = TESS if meaning == "authoredby" else "Encounter/s-anna"
        criteria["data"] = data(meaning, named)
    elif about == "time":
        since = draw.choice(("2025-01-01", "2026-01-01"))
        criteria["dataPeriod"] = {"start": since, "end": "2026-02"}
    return provision(draw.choice(("permit", "deny")), *nested, **criteria)


async def anew(world, draw):
    """Other decisions, and another policy where there are none."""
    records = await world.clinic.as_client("system/Consent.cruds")  # with a token of now
    for id, patient in (("c-anna", "anna"), ("c-berta", "berta"), ("c-second", "anna")):
        nested = [rule(draw) for _ in range(draw.choice((0, 1, 2)))]
        status = draw.choice(("active", "active", "active", "inactive"))
        tree = {**consent(patient, rule(draw, *nested), status=status), "id": id}
        answer = await records.put(f"Consent/{id}", json=tree)
        assert answer.status_code in (200, 201), answer.text
    async with world.clinic.application.services.units.write(world.clinic.tenant.id) as uow:
        policy = draw.choice((Implicit.CLINIC, Implicit.CLINIC, *Implicit))
        await uow.installation.set_policy(world.clinic.tenant.id, policy)


async def test_what_is_explained_is_what_is_found(world):
    draw = random.Random(7)
    everybody = looking(world)
    units = world.clinic.application.services.units
    await breaks(world.theo, "anna", reason="ETREAT")
    asked, told = 0, Counter()
    while asked < PAIRS:
        await anew(world, draw)
        for reference, who in draw.sample(sorted(everybody.items()), 2):
            purpose = draw.choice(PURPOSES)
            caller = replace(who, principal=replace(who.principal, purpose=purpose))
            seen = set()
            for type_name in TYPES:
                seen |= (await caller.finds(type_name))[0]
            async with units.read(world.clinic.tenant.id) as uow:
                explained = await explaining.principal_of(
                    uow, reference, asking=world.lea.now, purpose=purpose
                )
                assert explained is not None, reference
                for resource in RESOURCES:
                    found = await explaining.explain(uow, explained, "r", *resource.split("/"))
                    why = (reference, resource, purpose, found.because)
                    assert found.permit is (resource in seen), why
                    told[found.permit, found.because[0].kind] += 1
                    asked += 1
    kinds = {kind for _, kind in told}
    assert kinds >= {"role", "care-relationship", "consent"}, told
    assert {permit for permit, _ in told} == {True, False}


@pytest.mark.parametrize(
    "named, members", [("Group/circle", (THEO,)), ("CareTeam/supervision", (TESS, SUPERVISOR))]
)
async def test_a_member_is_told_of_the_consent_that_names_what_they_belong_to(
    world, named, members
):
    """And what they belong to is no caller itself: nobody is asked about in its name."""
    rules = provision(
        "permit",
        provision("deny", actor=[actor(named)], class_=[{"code": "Encounter"}]),
        actor=[actor(named)],
        securityLabel=labels("R"),
    )
    tree = {**consent("anna", rules), "id": "c-anna"}
    await world.clinic.http.put("Consent/c-anna", json=tree)
    units = world.clinic.application.services.units
    async with units.read(world.clinic.tenant.id) as uow:
        asking = world.lea.now
        assert await explaining.principal_of(uow, named, asking=asking, purpose=None) is None
        for member in members:
            who = await explaining.principal_of(uow, member, asking=asking, purpose=None)
            assert who is not None
            for id, decision in (("Encounter/s-anna", False), ("Observation/o-anna", True)):
                found = await explaining.explain(uow, who, "r", *id.split("/"))
                assert found.permit is decision, (member, id)
                if not decision:
                    assert found.because[0].reference == "Consent/c-anna"
                    assert found.because[0].provision == "Consent.provision.provision[0]"
