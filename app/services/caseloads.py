"""A therapist's open courses, those first in which something is waiting for a word."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.core.clock import Clock
from app.domain.measure import Rater
from app.fhir import primitives
from app.fhir.json import Tree
from app.fhir.parameters import Part, decimal, group, integer, parameters, reference, value
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.services.alert_steps import is_unresolved
from app.services.alerts import RULES, evaluation_of, rule_of
from app.services.answering import WAITING
from app.services.courses import Course, Courses, id_in, moment
from app.services.definitions import Definitions
from app.services.trees import matching

OPEN_EPISODES = "active,onhold"
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class _Row:
    """One course of the caseload; ``alerts`` are unresolved, the newest first."""

    course: Course
    alerts: Sequence[Tree]
    answered: int
    overdue: int

    @property
    def raised(self) -> str:
        return self.alerts[0].get("identifiedDateTime", "") if self.alerts else ""


class Caseloads:
    """Reads caseloads."""

    def __init__(
        self, *, courses: Courses, definitions: Definitions, clock: Clock, base: str
    ) -> None:
        self._courses = courses
        self._definitions = definitions
        self._clock = clock
        self._base = base

    async def caseload(self, uow: UnitOfWork, practitioner: str, *, visible: Visible) -> Tree:
        """The Parameters of ``$caseload``."""
        episodes = await matching(
            uow,
            "EpisodeOfCare",
            [("care-manager", f"Practitioner/{practitioner}"), ("status", OPEN_EPISODES)],
            visible=visible,
            limit=_MOST,
            base=self._base,
        )
        tops = await self._definitions.top_scales(uow, tenant=visible.tenant)
        courses = await self._courses.courses(uow, episodes, visible=visible, scales=tops)
        patients = {course.patient for course in courses}
        alerts = await self._alerts(uow, patients, visible=visible)
        overdue = await self._overdue(uow, patients, visible=visible)
        rows = [
            _Row(
                course=course,
                alerts=alerts.get(course.episode, ()),
                answered=len(_answered(course)),
                overdue=overdue.get(course.patient, 0),
            )
            for course in courses
        ]
        rows.sort(key=lambda row: row.course.patient)
        rows.sort(key=lambda row: moment(row.raised) or 0, reverse=True)
        return parameters(
            [_client(row) for row in rows],
            decimal(
                "completion",
                _share(
                    sum(row.answered for row in rows),
                    sum(row.course.sessions.count for row in rows),
                ),
            ),
            integer("overdue", sum(overdue.values())),
        )

    async def _alerts(
        self, uow: UnitOfWork, patients: Collection[str], *, visible: Visible
    ) -> Mapping[str, Sequence[Tree]]:
        found: dict[str, list[Tree]] = {}
        for tree in await self._of(
            uow, "DetectedIssue", [("code", f"{RULES}|")], patients, visible=visible
        ):
            episode = evaluation_of(tree).get("episode")
            if episode and is_unresolved(tree):
                found.setdefault(episode, []).append(tree)
        for issues in found.values():
            issues.sort(key=lambda each: moment(each.get("identifiedDateTime")) or 0, reverse=True)
        return found

    async def _overdue(
        self, uow: UnitOfWork, patients: Collection[str], *, visible: Visible
    ) -> Mapping[str, int]:
        now, found = self._clock.now(), dict[str, int]()
        for task in await self._of(uow, "Task", WAITING, patients, visible=visible):
            end = task.get("restriction", {}).get("period", {}).get("end")
            if end and primitives.date_range(end)[1] <= now:
                patient = id_in(task.get("for"), "Patient", self._base) or ""
                found[patient] = found.get(patient, 0) + 1
        return found

    async def _of(
        self,
        uow: UnitOfWork,
        type_name: str,
        criteria: Sequence[tuple[str, str]],
        patients: Collection[str],
        *,
        visible: Visible,
    ) -> Sequence[Tree]:
        if not patients:
            return []
        named = ("patient", ",".join(f"Patient/{id}" for id in sorted(patients)))
        return await matching(
            uow, type_name, [named, *criteria], visible=visible, limit=_MOST, base=self._base
        )


def _answered(course: Course) -> frozenset[int]:
    """The sessions that the client answered for."""
    return frozenset(
        point.session
        for each in course.series
        if each.track.rater is Rater.CLIENT
        for point in each.points
    )


def _client(row: _Row) -> Part:
    newest = row.alerts[0] if row.alerts else None
    sessions = row.course.sessions.count
    return group(
        "client",
        reference("patient", f"Patient/{row.course.patient}"),
        reference("episode", f"EpisodeOfCare/{row.course.episode}"),
        reference("alert", f"DetectedIssue/{newest['id']}" if newest else None),
        value("rule", "code", rule_of(newest) if newest else None),
        value("raised", "dateTime", row.raised or None),
        integer("unresolved", len(row.alerts)),
        integer("sessions", sessions),
        integer("answered", row.answered),
        decimal("completion", _share(row.answered, sessions)),
        integer("overdue", row.overdue),
    )


def _share(part: int, whole: int) -> Decimal | None:
    return Decimal(part) / whole if whole else None
