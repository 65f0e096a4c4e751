"""Reaction: scores become alerts.

A score or a session was written: the live rules run over the whole series of each episode it
belongs to, and the alerts that are stored are made to say what the rules say now. An alert
that has gone is marked as entered in error, with a Provenance that says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.core.clock import Clock, format_instant
from app.domain.rupture import RuleSet
from app.fhir import json
from app.fhir.json import Tree
from app.repositories.outbox import Written
from app.repositories.recall import Recall
from app.repositories.resources import StoredVersion
from app.repositories.unit_of_work import UnitOfWork
from app.search import parser
from app.search.found import Found
from app.search.visibility import Visible
from app.services.alert_steps import VOID
from app.services.alerts import (
    RULES,
    Alert,
    alert_id,
    alerts,
    evaluation_of,
    gist,
    issue,
    version_of,
)
from app.services.courses import Course, Courses, id_in
from app.services.definitions import Definitions
from app.services.derived import Derived, derived_id
from app.services.trees import current, matching

_MOST = 10_000
_EPISODES = 200
_KEPT = 20_000


@dataclass(slots=True)
class _Standing:
    """What is kept in memory of a stored version of an alert.

    ``gist`` is that of the alert which it was last found to say; None until it was held
    against one.
    """

    id: str
    version: int
    episode: str | None
    rules: str
    status: str
    gist: int | None = None


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
        self._known = Recall(_standing, most=_KEPT)

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
        before = {each.id: each for each in await self._standing(uow, course, visible=visible)}
        raised = {
            alert_id(course, alert): alert for each in rules for alert in alerts(course, each)
        }
        news = {
            id: alert
            for id, alert in raised.items()
            if id not in before or before[id].gist != gist(course, alert)
        }
        await self._store(uow, course, news, before, tenant=visible.tenant)
        in_use = {each.canonical for each in rules}
        for id, standing in before.items():
            # What other rules raised in their time is not theirs to take back.
            if id not in raised and standing.rules in in_use and standing.status != VOID:
                await self._void(uow, id, tenant=visible.tenant)

    async def issues(self, uow: UnitOfWork, course: Course, *, visible: Visible) -> Sequence[Tree]:
        """The alerts of an episode that can be seen, those marked as errors among them."""
        trees = await matching(
            uow, "DetectedIssue", _of(course), visible=visible, limit=_MOST, base=self._base
        )
        return [tree for tree in trees if evaluation_of(tree).get("episode") == course.episode]

    async def _standing(
        self, uow: UnitOfWork, course: Course, *, visible: Visible
    ) -> Sequence[_Standing]:
        query = parser.parse_criteria("DetectedIssue", _of(course), base=self._base)
        found = await uow.searches.recalled(query, visible=visible, limit=_MOST, by=self._known)
        return [each for each in found if each.episode == course.episode]

    async def _episodes(
        self, uow: UnitOfWork, stored: StoredVersion, *, visible: Visible
    ) -> Iterable[Tree]:
        found: dict[str, Tree] = {}
        tree = {} if stored.deleted else json.parse_stored(stored.text)
        named = [id_in(each, "EpisodeOfCare", self._base) for each in tree.get("episodeOfCare", ())]
        for id in filter(None, named):
            episode = await current(uow, "EpisodeOfCare", id, visible=visible)
            if episode:
                found[id] = episode
        # What was moved from one patient to another is missing there.
        former = await uow.histories.former_patients(stored, visible=visible)
        for patient in sorted({*stored.patients, *former}):
            criteria = [("patient", f"Patient/{patient}")]
            for each in await matching(
                uow, "EpisodeOfCare", criteria, visible=visible, limit=_EPISODES, base=self._base
            ):
                found[each["id"]] = each
        return found.values()

    async def _store(
        self,
        uow: UnitOfWork,
        course: Course,
        news: Mapping[str, Alert],
        before: Mapping[str, _Standing],
        *,
        tenant: int,
    ) -> None:
        if not news:
            return
        # A clinician may have taken a step since: what is held now is what is followed.
        held = await self._derived.current_of(uow, "DetectedIssue", list(news), tenant=tenant)
        for id, alert in news.items():
            previous, standing = held.get(id), before.get(id)
            stands = previous is not None and not previous.deleted
            tree = json.parse_stored(previous.text) if previous and stands else None
            tree = issue(course, alert, before=tree)
            changed = await self._derived.follow(uow, tree, previous=previous, tenant=tenant)
            if standing and previous and standing.version == previous.version and not changed:
                standing.gist = gist(course, alert)

    async def _void(self, uow: UnitOfWork, id: str, *, tenant: int) -> None:
        target = f"DetectedIssue/{id}"
        held = await self._derived.current(uow, "DetectedIssue", id, tenant=tenant)
        if held is None or held.deleted:
            return
        tree = {**json.parse_stored(held.text), "status": VOID}
        await self._derived.follow(uow, tree, previous=held, tenant=tenant)
        await self._derived.store(
            uow,
            {
                "resourceType": "Provenance",
                "id": derived_id("vanished", target, str(held.version)),
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


def _of(course: Course) -> Sequence[tuple[str, str]]:
    return [("patient", f"Patient/{course.patient}"), ("code", f"{RULES}|")]


def _standing(found: Found) -> _Standing:
    tree = json.parse_stored(found.text)
    return _Standing(
        id=found.id,
        version=found.version,
        episode=evaluation_of(tree).get("episode"),
        rules=version_of(tree),
        status=tree.get("status", ""),
    )
