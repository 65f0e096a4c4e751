"""Two worlds that differ only in what one partner has: the other sees the same in both.

What berta answers, is scored, agrees to alone and decides is there in one clinic and not in its
twin; anna's eyes, and an outsider's without a Consent of berta's, must give the same rows, totals,
order and bytes in both. The same for a patient who opened nothing.
"""

from __future__ import annotations

import random
from typing import Any

from app.fhir import json
from app.fhir.registry import REGISTRY
from tests.integration.test_consents import TESS, WORLD, World, encounter, note, score
from tests.support.application import clinic_of
from tests.support.consents import actor, provision
from tests.support.eyes import Eyes

ANNA, BERTA = "Patient/anna", "Patient/berta"


def berta_has(draw: random.Random) -> list[dict[str, Any]]:
    """What is berta's alone, some of it pointing at anna or at what is anna's or joint."""
    shared = {"encounter": {"reference": "Encounter/s-anna"}}
    every = [
        score("b-score", BERTA, **shared),
        score("b-rated", BERTA, performer=[{"reference": ANNA}]),
        score("b-focus", BERTA, focus=[{"reference": ANNA}]),
        encounter("b-session", BERTA),
        note("b-note", BERTA, TESS),
        {
            "resourceType": "QuestionnaireResponse",
            "id": "b-answers",
            "status": "completed",
            "subject": {"reference": BERTA},
            "source": {"reference": BERTA},
            **shared,
        },
        {
            "resourceType": "Task",
            "id": "b-task",
            "status": "requested",
            "intent": "order",
            "for": {"reference": BERTA},
            "requester": {"reference": ANNA},
        },
        {
            "resourceType": "Communication",
            "id": "b-message",
            "status": "completed",
            "subject": {"reference": BERTA},
            "recipient": [{"reference": ANNA}],
        },
        {
            "resourceType": "CarePlan",
            "id": "b-plan",
            "status": "active",
            "intent": "plan",
            "subject": {"reference": BERTA},
            "goal": [{"reference": "Goal/joint"}],
        },
    ]
    draw.shuffle(every)
    return every


async def everything(who: Eyes) -> str:
    """All that somebody can learn by search and read, but for the instants of the writes."""
    told: list[Any] = []
    for type_name, entry in REGISTRY.items():
        if entry.store != "resource" or type_name == "Consent":
            continue
        found, total = await who.finds(type_name)
        told.append([type_name, total, sorted(found)])
        for reference in sorted(found):
            tree = await who.read(reference)
            assert tree is not None
            tree["meta"].pop("lastUpdated")
            told.append(tree)
    for type_name, query in (
        ("Observation", ("_include", "Observation:*")),
        ("Encounter", ("_revinclude", "Observation:encounter")),
        ("Patient", ("_revinclude", "Task:patient")),
        ("Encounter", ("_has:Observation:encounter:status", "final")),
        ("Encounter", ("_has:QuestionnaireResponse:encounter:status", "completed")),
        ("Observation", ("encounter.subject:Patient.active:missing", "true")),
        ("Group", ("_has:Goal:subject:lifecycle-status", "active")),
        ("Observation", ("subject", BERTA)),
        ("Task", ("patient", BERTA)),
        ("Consent", ("patient", BERTA)),
    ):
        found, total = await who.finds(type_name, query)
        told.append([type_name, query, total, sorted(found)])
    return json.dumps(told).decode()


async def test_a_partner_learns_nothing_of_the_other(application):
    told: dict[str, list[str]] = {}
    for with_berta in (True, False):
        async with clinic_of(application) as clinic:
            world = World(clinic)
            await world.put(*WORLD)
            if with_berta:
                await world.put(*berta_has(random.Random(20261125)))
                opened = provision("permit", actor=[actor("Group/couple")])
                await world.consent(opened, "berta")
                await world.consent(provision("deny", actor=[actor(TESS)]), "berta", id="c-own")
            slug = clinic.tenant.slug
            for name, who in (("anna", world.anna), ("hie", world.hie)):
                told.setdefault(name, []).append((await everything(who)).replace(slug, "clinic"))
            assert '"anna"' in told["anna"][-1]
            for hidden in ("b-", "o-berta", "s-berta", "e-berta", "c-own"):
                assert f'"{hidden}' not in told["anna"][-1]
    for name, (one, other) in told.items():
        assert one == other, name
