"""Scoring everything again, after a definition changed: a job that goes on where it was stopped.

A score that comes out the same is left alone; one that does not gets a new version, with a
Provenance, and the version before stays in its history. What follows from scores follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.core.clock import Clock, format_instant
from app.fhir import json, splice
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY
from app.repositories.jobs import Job
from app.repositories.unit_of_work import UnitOfWork, UnitsOfWork
from app.repositories.versions import StoredVersion
from app.search.visibility import Visible
from app.services.derived import Derived, derived_id
from app.services.scoring import COUNTED, Instruments, Scoring

NAME = "rescore"
_STEP = 200
_RESPONSE = REGISTRY["QuestionnaireResponse"].code
_OBSERVATION = REGISTRY["Observation"].code


class _Step(NamedTuple):
    """The ids of the scores of some responses, and of those that changed."""

    scores: Sequence[str]
    changed: Sequence[str]


class Rescoring:
    """Scores the responses of a tenant again."""

    def __init__(self, *, scoring: Scoring, derived: Derived, clock: Clock) -> None:
        self._scoring = scoring
        self._derived = derived
        self._clock = clock

    async def total(self, units: UnitsOfWork, tenant: int) -> int:
        """How many responses there are."""
        async with units.read(tenant) as uow:
            return await uow.index.count(_RESPONSE, visible=_all(tenant))

    async def run(
        self,
        units: UnitsOfWork,
        tenant: int,
        *,
        anew: bool = False,
        told: Callable[[int], None] | None = None,
    ) -> int:
        """Scores all, or the rest of a run that was stopped; how many scores changed.

        ``told`` is called with the number of responses done so far, after every step.
        """
        async with units.write(tenant) as uow:
            if anew:
                await uow.jobs.end(tenant, NAME)
            at = await uow.jobs.find(tenant, NAME) or Job(0, 0)
        known, changed = Instruments(), 0
        while True:
            async with units.write(tenant, resources=_STEP * 16) as uow:
                last, step = await uow.index.after(
                    at.position, limit=_STEP, visible=_all(tenant), kind=_RESPONSE
                )
                if last is None:
                    await uow.jobs.end(tenant, NAME)
                    return changed
                changed += len((await self._step(uow, step, known, tenant=tenant)).changed)
                at = Job(last, at.done + len(step))
                await uow.jobs.move(tenant, NAME, at, now=self._clock.now())
            if told is not None:
                told(at.done)

    async def again(self, uow: UnitOfWork, response: str, *, tenant: int) -> Sequence[str]:
        """Scores one response by the definitions in use; the ids of its scores, changed or not."""
        stored = await uow.resources.read(_RESPONSE, response, visible=_all(tenant))
        if stored is None or stored.deleted:
            return ()
        return (await self._step(uow, [stored], Instruments(), tenant=tenant)).scores

    async def _step(
        self, uow: UnitOfWork, step: Sequence[StoredVersion], known: Instruments, *, tenant: int
    ) -> _Step:
        scored: dict[str, Tree] = {}
        for stored in step:
            response = json.parse_stored(stored.text)
            if response.get("status") in COUNTED:
                for tree in await self._scoring.scores(uow, response, tenant=tenant, known=known):
                    scored[tree["id"]] = tree
        held = await uow.resources.lock_all(_OBSERVATION, list(scored), visible=_all(tenant))
        different = [
            tree
            for id, tree in scored.items()
            if id not in held or not _says(held[id].stored.text, tree)
        ]
        await self._derived.store_all(uow, different, tenant=tenant)
        noted = [self._provenance(tree) for tree in different if tree["id"] in held]
        await self._derived.store_all(uow, noted, tenant=tenant)
        return _Step(list(scored), [tree["id"] for tree in different])

    def _provenance(self, tree: Tree) -> Tree:
        target = f"Observation/{tree['id']}"
        now = format_instant(self._clock.now())
        return {
            "resourceType": "Provenance",
            "id": derived_id("rescored", target, now),
            "target": [{"reference": target}],
            "recorded": now,
            "activity": {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/v3-DataOperation",
                        "code": "UPDATE",
                    }
                ],
                "text": "Scored again by the definitions in use.",
            },
            "agent": [{"who": {"display": "Rapport"}}],
        }


def _says(text: bytes, tree: Tree) -> bool:
    """Whether a stored score is this one."""
    if splice.holds(text, tree):  # nearly all are, and are told from their bytes
        return True
    before = json.parse_stored(text) if text else {}
    return splice.same_content(before, {**tree, "meta": before.get("meta")})


def _all(tenant: int) -> Visible:
    return Visible.everything(tenant, reason="every response is scored again")
