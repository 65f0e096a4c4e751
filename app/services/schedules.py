"""Measure schedules: a CarePlan says which forms are asked for, Tasks ask for them.

A schedule is an extension of the CarePlan. Sessions that took place, a course that ended and the
weeks of a plan call for Tasks, each made once under an id of its own; answers end the Task that
asked for them. What is too late stays asked for until somebody ends it, and counts as overdue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from itertools import islice, product

from app.core.clock import SECOND, Clock, format_instant
from app.core.errors import AppError, Category, Issue
from app.domain.measure import Rater
from app.domain.schedule import MOST_WEEKS, Cadence, Schedule, problems, weeks
from app.fhir import json, references
from app.fhir.json import Tree
from app.fhir.registry import by_code
from app.repositories.outbox import Written
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.services.answering import ANSWERS, CODE, FORM, WAITING, named_by
from app.services.changes import Change
from app.services.courses import Courses, extension, id_in, moment
from app.services.derived import Derived, derived_id
from app.services.instruments import BASE
from app.services.trees import current, matching

SCHEDULE = f"{BASE}/StructureDefinition/measure-schedule"
_DAY = 86_400 * SECOND
_MOST = 1000
_AT_ONCE = 20  # tasks of a plan in one transaction: others wait to write
_HELD = frozenset(("finished", "in-progress", "onleave", "arrived", "triaged"))


class Schedules:
    """Keeps the tasks that schedules call for."""

    def __init__(self, *, derived: Derived, courses: Courses, clock: Clock, base: str) -> None:
        self._derived = derived
        self._courses = courses
        self._clock = clock
        self._base = base

    def check(self, change: Change) -> Change:
        """Refuses a plan whose schedules cannot be kept."""
        issues = []
        for number, each in enumerate(change.tree.get("extension", ())):
            if each.get("url") == SCHEDULE:
                place = f"CarePlan.extension[{number}]"
                try:
                    issues += problems(_schedule(each), place)
                except (KeyError, ValueError):
                    raise AppError.of(
                        Category.UNPROCESSABLE,
                        "value",
                        "a schedule names a questionnaire and a cadence that is known",
                        place,
                    ) from None
        if not issues:
            issues += _weeks_that_end(change.tree)
        if issues:
            raise AppError(Category.UNPROCESSABLE, issues)
        return change

    async def react(self, uow: UnitOfWork, written: Written) -> None:
        """Makes or ends the tasks that a written resource calls for."""
        visible = _all(written.tenant)
        stored = await uow.resources.read(written.kind, written.id, visible=visible)
        if stored is None or stored.deleted:
            return
        tree = json.parse_stored(stored.text)
        match by_code(written.kind).name:
            case "Encounter" if tree.get("status") in _HELD:
                await self._after_session(uow, tree, stored.patients, visible=visible)
            case "EpisodeOfCare" if tree.get("status") == "finished":
                await self._at_close(uow, tree, visible=visible)
            case "CarePlan" if tree.get("status") == "active":
                if await self._weekly(uow, tree, visible=visible):
                    uow.call_again(written, due=self._clock.now())
            case "QuestionnaireResponse" if tree.get("status") in ("completed", "amended"):
                await self._answered(uow, tree, visible=visible)

    async def _after_session(
        self, uow: UnitOfWork, encounter: Tree, patients: Sequence[str], *, visible: Visible
    ) -> None:
        for patient in patients:
            plans = await self._plans(uow, patient, visible=visible)
            if not plans:
                continue
            for reference in encounter.get("episodeOfCare", ()):
                named = id_in(reference, "EpisodeOfCare", self._base)
                episode = await current(uow, "EpisodeOfCare", named, visible=visible)
                if id_in(episode.get("patient"), "Patient", self._base) != patient:
                    continue
                course = await self._courses.course(
                    uow, episode, visible=visible, scales=("total",)
                )
                session = course.sessions.by_encounter.get(encounter["id"])
                period = encounter.get("period", {})
                begun = moment(period.get("end") or period.get("start"))
                for plan, schedule in plans:
                    if session is not None and begun is not None and schedule.is_due(session):
                        task = self._task(plan, schedule, episode, encounter["id"], begun)
                        task["encounter"] = {"reference": f"Encounter/{encounter['id']}"}
                        await self._make(uow, task, visible=visible)

    async def _at_close(self, uow: UnitOfWork, episode: Tree, *, visible: Visible) -> None:
        patient = id_in(episode.get("patient"), "Patient", self._base) or ""
        ended = moment(episode.get("period", {}).get("end"))
        for plan, schedule in await self._plans(uow, patient, visible=visible):
            if schedule.cadence is Cadence.AT_CLOSE and ended is not None:
                task = self._task(plan, schedule, episode, f"close-{episode['id']}", ended)
                await self._make(uow, task, visible=visible)

    async def _weekly(self, uow: UnitOfWork, plan: Tree, *, visible: Visible) -> bool:
        """Makes the tasks of some weeks; whether more are to be made."""
        period = plan.get("period", {})
        weekly = [each for each in _schedules(plan) if each.cadence is Cadence.WEEKLY]
        if not weekly or not {"start", "end"} <= period.keys():
            return False
        zone = await uow.installation.zone(visible.tenant)
        begins = list(islice(weeks(period["start"], period["end"], zone), MOST_WEEKS))
        made = 0
        for schedule, (number, begun) in product(weekly, enumerate(begins, 1)):
            task = self._task(plan, schedule, {}, f"week-{number}", begun)
            made += await self._make(uow, task, visible=visible)
            if made == _AT_ONCE:
                return True
        return False

    async def _answered(self, uow: UnitOfWork, response: Tree, *, visible: Visible) -> None:
        patient = references.local(response.get("subject"), self._base)
        if patient is None or not patient.startswith("Patient/"):
            return
        criteria = [("patient", patient), *WAITING]
        found = await matching(uow, "Task", criteria, visible=visible, limit=_MOST, base=self._base)
        asked = response.get("questionnaire", "").partition("|")[0]
        session = references.local(response.get("encounter"), self._base)
        answers = extension(response, ANSWERS).get("valueReference")
        fitting = [
            task
            for task in found
            if asked in _forms(task)
            and references.local(task.get("encounter"), self._base) in (session, None)
            and (answers is None or references.local(answers, self._base) == f"Task/{task['id']}")
        ]
        fitting.sort(
            key=lambda task: (
                references.local(task.get("encounter"), self._base) is None,
                task["id"],
            )
        )
        for task in fitting[:1]:
            held = await self._derived.current(uow, "Task", task["id"], tenant=visible.tenant)
            if held is not None and not held.deleted:
                done = {**json.parse_stored(held.text), "status": "completed"}
                await self._derived.follow(uow, done, previous=held, tenant=visible.tenant)

    def _task(
        self, plan: Tree, schedule: Schedule, episode: Tree, occasion: str, begun: int
    ) -> Tree:
        owner = plan["subject"]
        if schedule.rater is Rater.THERAPIST:
            owner = episode.get("careManager") or plan.get("author") or owner
        period = {"start": format_instant(begun)}
        if schedule.expiry is not None:
            period["end"] = format_instant(begun + schedule.expiry * _DAY)
        task: Tree = {
            "resourceType": "Task",
            "id": derived_id("asked", plan["id"], schedule.questionnaire, occasion),
            "basedOn": [{"reference": f"CarePlan/{plan['id']}"}],
            "status": "requested",
            "intent": "order",
            "code": {"coding": [{"system": CODE, "code": FORM}]},
            "for": plan["subject"],
            "owner": owner,
            "authoredOn": format_instant(begun),
            "restriction": {"period": period},
            "input": [
                {"type": {"text": "questionnaire"}, "valueCanonical": schedule.questionnaire}
            ],
        }
        if schedule.reminder is not None:
            when = format_instant(begun + schedule.reminder * _DAY)
            task["input"].append({"type": {"text": "reminder"}, "valueDateTime": when})
        return task

    async def _make(self, uow: UnitOfWork, task: Tree, *, visible: Visible) -> bool:
        """Makes a task once: what became of it since is people's. Whether it was made now."""
        held = await self._derived.current(uow, "Task", task["id"], tenant=visible.tenant)
        if held is not None:
            return False
        return await self._derived.follow(uow, task, previous=None, tenant=visible.tenant)

    async def _plans(
        self, uow: UnitOfWork, patient: str, *, visible: Visible
    ) -> Sequence[tuple[Tree, Schedule]]:
        criteria = [("patient", f"Patient/{patient}"), ("status", "active")]
        found = await matching(
            uow, "CarePlan", criteria, visible=visible, limit=_MOST, base=self._base
        )
        return [(plan, schedule) for plan in found for schedule in _schedules(plan)]


def _weeks_that_end(plan: Tree) -> Iterator[Issue]:
    """A plan that asks every week says from when and until when: its tasks are made at once."""
    period = plan.get("period", {})
    is_weekly = any(each.cadence is Cadence.WEEKLY for each in _schedules(plan))
    if plan.get("status") != "active" or not is_weekly:
        return
    if not {"start", "end"} <= period.keys():
        words = "a weekly schedule needs the start and the end of its plan"
        yield Issue("required", words, "CarePlan.period")
    elif next(islice(weeks(period["start"], period["end"], UTC), MOST_WEEKS, None), None):
        words = f"a weekly schedule is for {MOST_WEEKS} weeks at most"
        yield Issue("value", words, "CarePlan.period")


def _schedules(plan: Tree) -> Iterator[Schedule]:
    for each in plan.get("extension", ()):
        if each.get("url") == SCHEDULE:
            yield _schedule(each)


def _schedule(tree: Tree) -> Schedule:
    """The schedule that an extension describes; ``KeyError`` or ``ValueError`` where it is none."""
    reminder = extension(tree, "reminderDays").get("valuePositiveInt")
    expiry = extension(tree, "expiryDays").get("valuePositiveInt")
    return Schedule(
        questionnaire=extension(tree, "questionnaire")["valueCanonical"],
        cadence=Cadence(extension(tree, "cadence")["valueCode"]),
        rater=Rater(extension(tree, "rater").get("valueCode", Rater.CLIENT)),
        reminder=reminder,
        expiry=expiry,
    )


def _forms(task: Tree) -> Iterator[str]:
    """The addresses, without a version, of the forms that a task may mean."""
    for named in named_by(task):
        url = named.partition("|")[0]
        yield f"{BASE}/{url}" if url.startswith("Questionnaire/") else url


def _all(tenant: int) -> Visible:
    return Visible.everything(tenant, reason="schedules ask whoever they are for")
