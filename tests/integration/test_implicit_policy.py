"""What holds where a client has said nothing: the clinic's implicit policy, in every query."""

from __future__ import annotations

from app.domain.consent import Implicit
from tests.http.test_access_operations import breaks, explains, world
from tests.integration.test_consents import sight
from tests.support.consents import actor, labels, provision
from tests.support.eyes import eyes

__all__ = ["world"]

ROWS = ("Patient/anna", "Encounter/s-anna", "Observation/o-anna")
SEEN, HIDDEN = [True] * 3, [False] * 3


async def choose(world, policy):
    clinic = world.clinic
    async with clinic.application.services.units.write(clinic.tenant.id) as uow:
        await uow.installation.set_policy(clinic.tenant.id, Implicit(policy))


async def test_each_policy_leaves_what_it_says(world):
    reception = eyes(world.clinic, "reception", "Practitioner/theo")
    payer = eyes(world.clinic, "system", "Organization/payer", purpose="HPAYMT")
    only_names = [True, True, False]  # as far as the clearance of the role goes
    for policy, therapist, front_desk, billing in (
        ("clinic", SEEN, only_names, HIDDEN),
        ("basic-normal", SEEN, HIDDEN, HIDDEN),
        ("all-normal", SEEN, only_names, SEEN),
        ("break-glass-only", HIDDEN, HIDDEN, HIDDEN),
        ("deny", HIDDEN, HIDDEN, HIDDEN),
    ):
        await choose(world, policy)
        assert await sight(world.tess, *ROWS) == therapist, policy
        assert await sight(reception, *ROWS) == front_desk, policy
        assert await sight(payer, *ROWS) == billing, policy
        assert await sight(world.theo, *ROWS) == HIDDEN, policy
        assert await sight(world.hie, *ROWS) == HIDDEN, policy
        assert await sight(world.anna, *ROWS) == SEEN, policy


async def test_what_was_authored_or_escalated_or_is_no_patients_stays(world):
    await choose(world, "deny")
    assert await sight(world.tess, "Observation/o-own", "DocumentReference/n-anna") == [True] * 2
    assert await sight(world.lea, "Observation/o-v", "Observation/o-anna") == [True, False]
    assert await world.tess.sees("Organization/exchange")


async def test_an_emergency_opens_what_is_for_emergencies_only(world):
    await breaks(world.theo, "anna", reason="ETREAT")
    for policy, expected in (("break-glass-only", SEEN), ("deny", HIDDEN)):
        await choose(world, policy)
        assert await sight(world.theo, *ROWS) == expected, policy
        hidden = ("Observation/o-sdv", "DocumentReference/n-anna", "Patient/berta")
        assert await sight(world.theo, *hidden) == HIDDEN, policy


async def test_a_consent_overrides_the_policy_for_whom_it_speaks_of(world):
    await choose(world, "deny")
    await world.consent(provision("permit", actor=[actor("Practitioner/tess")]))
    assert await sight(world.tess, *ROWS) == SEEN
    assert await sight(world.lea, *ROWS) == HIDDEN
    await world.consent(
        provision("permit", actor=[actor("Practitioner/tess")], period={"end": "2020"})
    )
    assert await sight(world.tess, *ROWS) == HIDDEN
    await choose(world, "all-normal")
    await world.consent(provision("deny", securityLabel=labels("R")))
    assert await sight(world.tess, *ROWS) == [True, True, False]


async def test_what_is_about_both_of_a_couple_needs_both(world):
    await choose(world, "deny")
    opened = provision("permit", actor=[actor("Practitioner/tess")])
    await world.consent(opened, "anna")
    assert not await world.tess.sees("Goal/joint")
    await world.consent(opened, "berta")
    assert await world.tess.sees("Goal/joint")


async def test_a_new_client_can_still_be_registered(world):
    await choose(world, "deny")
    tree = {"resourceType": "Patient", "active": True}
    made = await world.clinic.http.post("Patient", json=tree)
    assert made.status_code == 201
    assert (await world.clinic.http.get(f"Patient/{made.json()['id']}")).status_code == 404


async def test_the_policy_is_named_as_the_reason(world):
    await choose(world, "basic-normal")
    decision, because = await explains(world.lea, "Observation/o-anna", "Practitioner/tess")
    assert (decision, because["kind"]) == ("permit", "care-relationship")
    decision, because = await explains(
        world.lea, "Observation/o-anna", "Practitioner/tess", purpose="HRESCH"
    )
    assert (decision, because["kind"]) == ("deny", "consent")
    assert "basic-normal" in because["text"]
    assert "reference" not in because
