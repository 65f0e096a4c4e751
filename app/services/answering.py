"""Forms that somebody is asked to answer: the Task, its questionnaire, and the answers given.

A Task with the code ``complete-questionnaire`` asks its ``owner`` if that is a Practitioner, else
the patient whom it is ``for``, to answer the questionnaire that an input of type canonical, or
``focus``, names. A link of its own lets that person answer without an account: random, kept by its
hash, good until it expires and once. It speaks for the patient or for whoever made it, and for
nobody whom the task names later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.core.clock import SECOND, Clock, format_instant
from app.core.errors import AppError, Category
from app.core.ids import IdSource
from app.fhir import json, primitives, references
from app.fhir.json import Tree
from app.fhir.parameters import place_of
from app.repositories.answer_links import AnswerLink
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.security import access, jose
from app.security.authentication import hold_grant
from app.security.principal import Principal
from app.services.courses import id_in
from app.services.derived import Derived
from app.services.filling import answered_items
from app.services.instruments import BASE
from app.services.terminology import Terminology
from app.services.trees import current, matching

CODE = f"{BASE}/CodeSystem/task-code"
FORM = "complete-questionnaire"
ANSWERS = f"{BASE}/StructureDefinition/answers-task"
_MODE = "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-completionMode"
_MOST = 200
LONGEST = 30 * 86_400 * SECOND
OPEN = ("requested", "received", "accepted", "ready", "in-progress")
# What finds the Tasks that still wait for answers.
WAITING = (("code", f"{CODE}|{FORM}"), ("status", ",".join(OPEN)))


@dataclass(frozen=True, slots=True)
class Form:
    """What a task asks for: the questionnaire, who answers (``Patient/x``) and about whom."""

    task: Tree
    questionnaire: Tree
    who: str
    subject: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link leads to."""

    link: AnswerLink
    form: Form


class Answering:
    """Makes links, opens them, and turns what was filled in into a response."""

    def __init__(
        self,
        *,
        derived: Derived,
        terminology: Terminology,
        clock: Clock,
        ids: IdSource,
        base: str,
    ) -> None:
        self._derived = derived
        self._terminology = terminology
        self._clock = clock
        self._ids = ids
        self._base = base

    async def issue(
        self, uow: UnitOfWork, task: Tree, *, expires: str, kiosk: bool, by: Principal
    ) -> str:
        """A new link's token; earlier links to the task that nobody used stop working."""
        now, tenant = self._clock.now(), by.tenant
        end = primitives.date_range(expires)[0]
        if not now < end <= now + LONGEST:
            raise AppError.of(
                Category.UNPROCESSABLE,
                "value",
                "expires is in the future, at most 30 days ahead",
                place_of("expires"),
            )
        form = await self.form(uow, task, tenant=tenant)
        if form is None and "owner" in task and whom(task, self._base) is None:
            raise _no_voice("a link is for the patient or for a practitioner of this server")
        if form is None:
            raise AppError.of(
                Category.UNPROCESSABLE,
                "business-rule",
                "the task does not ask for answers to a known questionnaire any more",
                "Task",
            )
        if form.who != form.subject:
            _check_voice(form.who, by)
            await hold_grant(by, uow.accounts)
        token = jose.encode(self._ids.random(32))
        await uow.answer_links.add(
            tenant,
            task["id"],
            who=form.who,
            token_hash=_hash(token),
            kiosk=kiosk,
            now=now,
            expires=end,
        )
        return token

    async def owed(
        self, uow: UnitOfWork, practitioner: str, patient: str, *, tenant: int
    ) -> frozenset[str]:
        """The Encounters about which a form of the practitioner's own waits to be answered."""
        criteria = [("owner", practitioner), ("patient", patient), *WAITING]
        found = await matching(
            uow, "Task", criteria, visible=_all(tenant), limit=_MOST, base=self._base
        )
        owed = (id_in(task.get("encounter"), "Encounter", self._base) for task in found)
        return frozenset(filter(None, owed))

    async def open(self, uow: UnitOfWork, token: str) -> Asked:
        """What a token leads to. Raises ``not-found``, or ``gone`` once used or expired."""
        link = await uow.answer_links.find(_hash(token))
        if link is None:
            raise AppError.of(Category.NOT_FOUND, "not-found", "no such link")
        if link.used is not None or link.expires <= self._clock.now():
            raise _gone()
        await uow.turn_to(link.tenant)
        task = await current(uow, "Task", link.task, visible=_all(link.tenant))
        form = await self.form(uow, task, tenant=link.tenant) if task else None
        # A link of a former version does not say for whom it was: then it was for the patient.
        if form is None or form.who != (link.who or form.subject):
            raise _gone()
        return Asked(link, form)

    async def use(self, uow: UnitOfWork, asked: Asked) -> None:
        """Uses the link up and ends its task, with the answers or not at all."""
        if not await uow.answer_links.use(asked.link.token_hash, now=self._clock.now()):
            raise _gone()
        tenant = asked.link.tenant
        held = await self._derived.current(uow, "Task", asked.link.task, tenant=tenant)
        if held is None or held.deleted:
            raise _gone()
        task = json.parse_resource(held.text)
        if task.get("status") not in OPEN:
            raise _gone()
        done = {**task, "status": "completed", "lastModified": format_instant(self._clock.now())}
        await self._derived.follow(uow, done, previous=held, tenant=tenant)

    async def withdraw(self, uow: UnitOfWork, asked: Asked) -> None:
        """Ends a link that nobody used, and leaves its task open."""
        await uow.answer_links.withdraw(asked.link.tenant, asked.link.task)

    def response(
        self,
        form: Form,
        fields: Mapping[str, str],
        *,
        language: str,
        on_paper: str | None = None,
        by: str | None = None,
    ) -> Tree:
        """The response that a page's fields make; unanswered items are left out.

        ``on_paper`` is when it was answered (a date or dateTime), where ``by`` enters it later:
        the source stays the person who answered, and ``meta.lastUpdated`` is when it was entered.
        """
        questionnaire, task = form.questionnaire, form.task
        mode = "WRITTEN" if on_paper else "ELECTRONIC"
        url, version = questionnaire["url"], questionnaire.get("version")
        tree: Tree = {
            "resourceType": "QuestionnaireResponse",
            "language": language,
            "extension": [
                {"url": _MODE, "valueCodeableConcept": _mode(mode)},
                {"url": ANSWERS, "valueReference": {"reference": f"Task/{task['id']}"}},
            ],
            "questionnaire": f"{url}|{version}" if version else url,
            "status": "completed",
            "subject": {"reference": form.subject},
            "encounter": task.get("encounter"),
            "authored": on_paper or format_instant(self._clock.now()),
            "author": {"reference": by or form.who},
            "source": {"reference": form.who},
            "item": list(answered_items(questionnaire, fields)),
        }
        return {name: value for name, value in tree.items() if value}

    async def form(self, uow: UnitOfWork, task: Tree, *, tenant: int) -> Form | None:
        """What an open task about a patient asks for; none where that is no known form."""
        subject, who = references.local(task.get("for"), self._base), whom(task, self._base)
        if task.get("status") not in OPEN or subject is None or who is None:
            return None
        questionnaire = await self._questionnaire(uow, task, tenant=tenant)
        if questionnaire is None:
            return None
        return Form(task=task, questionnaire=questionnaire, who=who, subject=subject)

    async def _questionnaire(self, uow: UnitOfWork, task: Tree, *, tenant: int) -> Tree | None:
        """The questionnaire that a task names, as input or as focus."""
        visible = _all(tenant)
        for named in named_by(task):
            known = id_in({"reference": named}, "Questionnaire", self._base)
            questionnaire = await current(uow, "Questionnaire", known, visible=visible)
            found = questionnaire or await self._terminology.canonical(
                uow, "Questionnaire", named, visible=visible
            )
            if found is not None:
                return found
        return None


def whom(task: Tree, base: str) -> str | None:
    """Whom a task about a patient asks: ``Patient/x`` or ``Practitioner/x``, if of this server.

    An owner who is neither the patient nor a practitioner is somebody else: not the patient.
    """
    subject = references.local(task.get("for"), base)
    if subject is None or not subject.startswith("Patient/"):
        return None
    if "owner" not in task:
        return subject
    owner = references.local(task["owner"], base) or ""
    return owner if owner == subject or owner.startswith("Practitioner/") else None


def named_by(task: Tree) -> Iterator[str]:
    """What may be the address of a task's questionnaire, as integrators write it."""
    for each in task.get("input", ()):
        given = each.get("valueCanonical") or each.get("valueUri")
        yield given or each.get("valueReference", {}).get("reference", "")
    yield task.get("focus", {}).get("reference", "")
    yield task.get("instantiatesCanonical", "")


def _check_voice(who: str, by: Principal) -> None:
    """Refuses a link in the voice of a practitioner who is not the one to make it.

    It gives nobody a right that they have not. Systems bring what others wrote.
    """
    if by.is_person and who != by.actor:
        raise _no_voice("whoever is asked for their own view makes the link to it")
    access.decide(by, "QuestionnaireResponse", "c")


def _no_voice(text: str) -> AppError:
    return AppError.of(Category.UNPROCESSABLE, "business-rule", text, "Task.owner")


def _mode(code: str) -> Tree:
    system = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode"
    return {"coding": [{"system": system, "code": code}]}


def _gone() -> AppError:
    return AppError.of(Category.GONE, "expired", "the link is no longer good")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _all(tenant: int) -> Visible:
    return Visible.everything(tenant, reason="whoever holds the link was asked to answer")
