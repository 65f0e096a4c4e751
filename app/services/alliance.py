"""Reaction: scores become alerts.

A score or a session was written: the live rules run over the whole series of each episode it
belongs to, and the alerts that are stored are made to say what the rules say now. An alert
that has gone is marked as entered in error, with a Provenance that says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.core.clock import Clock, format_instant
from app.domain.rupture import RuleSet
from app.fhir import json
from app.fhir.json import Tree
from app.repositories.outbox import Written
from app.repositories.resources import StoredVersion
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.services.alert_steps import VOID
from app.services.alerts import RULES, Alert, alert_id, alerts, evaluation_of, issue, version_of
from app.services.courses import Course, Courses, id_in
from app.services.definitions import Definitions
from app.services.derived import Derived, derived_id
from app.services.trees import current, matching

_MOST = 10_000
_EPISODES = 200


class Alliance:
    """Keeps the alerts of episodes."""

    def __init__(
        self,
        *,
        derived: Derived,
        definitions: Definitions,
        courses: Courses,
        clock: Clock,
        base: str,
    ) -> None:
        self._derived = derived
        self._definitions = definitions
        self._courses = courses
        self._clock = clock
        self._base = base

    async def react(self, uow: UnitOfWork, written: Written) -> None:
        """Brings the alerts of every episode that the written version touches up to date."""
        visible = Visible.everything(written.tenant, reason="live rules look at whole series")
        stored = await uow.resources.read(written.kind, written.id, visible=visible)
        if stored is None:
            return
        rules = await self._definitions.rule_sets(uow, tenant=written.tenant)
        if not rules:
            return
        for episode in await self._episodes(uow, stored, visible=visible):
            await self.keep(uow, episode, rules, visible=visible)

    async def keep(
        self, uow: UnitOfWork, episode: Tree, rules: Sequence[RuleSet], *, visible: Visible
    ) -> None:
        """Makes the stored alerts of an episode those that the rules raise."""
        scales = sorted({each.scale for each in rules})
        course = await self._courses.course(uow, episode, visible=visible, scales=scales)
        before = {tree["id"]: tree for tree in await self.issues(uow, course, visible=visible)}
        raised = {
            alert_id(course, alert): alert for each in rules for alert in alerts(course, each)
        }
        for id, alert in raised.items():
            await self._store(uow, course, alert, known=before.get(id), tenant=visible.tenant)
        in_use = {each.canonical for each in rules}
        for id, tree in before.items():
            # What other rules raised in their time is not theirs to take back.
            if id not in raised and version_of(tree) in in_use and tree["status"] != VOID:
                await self._void(uow, tree, tenant=visible.tenant)

    async def issues(self, uow: UnitOfWork, course: Course, *, visible: Visible) -> Sequence[Tree]:
        """The alerts of an episode that can be seen, those marked as errors among them."""
        criteria = [("patient", f"Patient/{course.patient}"), ("code", f"{RULES}|")]
        trees = await matching(
            uow, "DetectedIssue", criteria, visible=visible, limit=_MOST, base=self._base
        )
        return [tree for tree in trees if evaluation_of(tree).get("episode") == course.episode]

    async def _episodes(
        self, uow: UnitOfWork, stored: StoredVersion, *, visible: Visible
    ) -> Iterable[Tree]:
        found: dict[str, Tree] = {}
        tree = {} if stored.deleted else json.parse_stored(stored.text)
        named = [id_in(each, "EpisodeOfCare") for each in tree.get("episodeOfCare", ())]
        for id in filter(None, named):
            episode = await current(uow, "EpisodeOfCare", id, visible=visible)
            if episode:
                found[id] = episode
        for patient in stored.patients:
            criteria = [("patient", f"Patient/{patient}")]
            for each in await matching(
                uow, "EpisodeOfCare", criteria, visible=visible, limit=_EPISODES, base=self._base
            ):
                found[each["id"]] = each
        return found.values()

    async def _store(
        self, uow: UnitOfWork, course: Course, alert: Alert, *, known: Tree | None, tenant: int
    ) -> None:
        if known is not None and json.dumps(issue(course, alert, before=known)) == json.dumps(
            known
        ):
            return
        # A clinician may have taken a step since: what is held now is what is followed.
        held = await self._derived.current(
            uow, "DetectedIssue", alert_id(course, alert), tenant=tenant
        )
        before = json.parse_stored(held.text) if held and not held.deleted else None
        tree = issue(course, alert, before=before)
        await self._derived.follow(uow, tree, previous=held, tenant=tenant)

    async def _void(self, uow: UnitOfWork, tree: Tree, *, tenant: int) -> None:
        target = f"DetectedIssue/{tree['id']}"
        await self._derived.store(uow, {**tree, "status": VOID}, tenant=tenant)
        version = tree.get("meta", {}).get("versionId", "")
        await self._derived.store(
            uow,
            {
                "resourceType": "Provenance",
                "id": derived_id("vanished", target, version),
                "target": [{"reference": target}],
                "recorded": format_instant(self._clock.now()),
                "activity": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v3-DataOperation",
                            "code": "UPDATE",
                        }
                    ],
                    "text": "The scores or the order of sessions changed: the rule no longer"
                    " raises this alert.",
                },
                "agent": [{"who": {"display": "Rapport"}}],
            },
            tenant=tenant,
        )
