"""Reaction: an answer that somebody must hear of soon becomes a Flag and a Task.

Which answers, who is told and by when is data (``domain/safety.py``). Both are made once and
belong to people from then on: an answer that is amended takes nothing back, and what was closed
is not opened again. The Flag says what it is about, the Task does not, and neither is for the
client or the partner to see.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog

from app.core.clock import SECOND, format_instant
from app.core.errors import AppError, Category
from app.domain.questionnaire import answers_of
from app.domain.safety import Notice, Recipient, SafetyRule, SafetyRules, concerns
from app.fhir import json
from app.fhir.json import Tree
from app.repositories.outbox import Written
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.security.principal import Principal
from app.services.changes import Change
from app.services.definitions import Definitions
from app.services.derived import Derived, derived_id
from app.services.instruments import BASE
from app.services.questionnaires import Questionnaires
from app.services.responsible import Responsible

log = structlog.get_logger("rapport.safety")

CONCERNS = f"{BASE}/CodeSystem/safety-concern"
TASKS = f"{BASE}/CodeSystem/task-code"
WITHHELD = f"{BASE}/StructureDefinition/withheld-from"
FOLLOW_UP, FOR_KNOWLEDGE = "safety-follow-up", "safety-notice"
_FIXED = ("code", "focus", "for", "owner")
_COUNTED = ("completed", "amended")
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_LEVELS = frozenset("ULMNRV")
_HOUR = 3600 * SECOND


@dataclass(frozen=True, slots=True)
class _Concern:
    """A rule that a response met."""

    response: Tree
    rules: SafetyRules
    rule: SafetyRule

    @property
    def reference(self) -> str:
        return f"QuestionnaireResponse/{self.response['id']}"

    @property
    def flag_id(self) -> str:
        return derived_id("concern", self.reference, self.rules.url, self.rule.concern)

    def task_id(self, recipient: Recipient) -> str:
        return derived_id("concern", self.reference, self.rules.url, self.rule.concern, recipient)


def check_task(change: Change, principal: Principal) -> Change:
    """Refuses a person who would make a safety task, or say anew whose it is and what about.

    Who has one to do sees what it is about, so nobody gives one to themselves.
    """
    previous = change.previous
    before = json.parse_stored(previous.text) if previous and not previous.deleted else {}
    if not (_is_of_safety(before) or _is_of_safety(change.tree)):
        return change
    if not principal.is_person or principal.role == "system":  # so acts a leaver's handover
        return change
    fixed = ("code", "focus", "for") if principal.role == "clinical_lead" else _FIXED
    if not before or any(before.get(name) != change.tree.get(name) for name in fixed):
        raise AppError.of(
            Category.FORBIDDEN, "forbidden", "a safety task is the server's: only its state changes"
        )
    return change


def _is_of_safety(task: Tree) -> bool:
    codings = (task.get("code") or {}).get("coding") or ()
    return any(each.get("code") in (FOLLOW_UP, FOR_KNOWLEDGE) for each in codings)


class Safety:
    """Tells the right person."""

    def __init__(
        self,
        *,
        derived: Derived,
        definitions: Definitions,
        questionnaires: Questionnaires,
        responsible: Responsible,
    ) -> None:
        self._derived = derived
        self._definitions = definitions
        self._questionnaires = questionnaires
        self._responsible = responsible

    async def react(self, uow: UnitOfWork, written: Written) -> None:
        """Makes the flags and tasks that the current version of a response calls for."""
        visible = Visible.everything(written.tenant, reason="answers are checked for safety")
        stored = await uow.resources.read(written.kind, written.id, visible=visible)
        if stored is None or stored.deleted:
            return
        response = json.parse_stored(stored.text)
        if response.get("status") not in _COUNTED:
            return
        for concern in await self._concerns(uow, response, tenant=written.tenant):
            await self._tell(uow, concern, answered=stored.updated, tenant=written.tenant)

    async def _concerns(
        self, uow: UnitOfWork, response: Tree, *, tenant: int
    ) -> Sequence[_Concern]:
        questionnaire = await self._questionnaires.named_by(uow, response, tenant=tenant)
        if questionnaire is None:
            return []
        found = await self._definitions.safety_rules(uow, questionnaire.canonical, tenant=tenant)
        codes, weights = _codes(response), answers_of(questionnaire, response)
        return [
            _Concern(response, rules, rule)
            for rules in found
            for rule in concerns(rules, codes=codes, weights=weights)
        ]

    async def _tell(
        self, uow: UnitOfWork, concern: _Concern, *, answered: int, tenant: int
    ) -> None:
        if await self._derived.current(uow, "Flag", concern.flag_id, tenant=tenant) is not None:
            return
        treating = await self._responsible.treating(uow, concern.response, tenant=tenant)
        withheld = sorted(treating.rated) if concern.rule.rated else ()
        flag = _flag(concern, withheld)
        await self._derived.follow(uow, flag, previous=None, tenant=tenant)
        told: set[str] = set()
        for notice in concern.rule.notices:
            owner = treating.therapist
            if notice.recipient is Recipient.LEAD:
                rated = concern.rule.rated  # nobody is told of a concern about themselves
                owner = await self._responsible.lead(uow, treating, tenant=tenant, rated=rated)
            if owner is None:
                log.error("nobody to tell", recipient=str(notice.recipient), tenant=tenant)
            elif owner in told:
                continue
            else:
                told.add(owner)
            task = _task(concern, notice, owner=owner, answered=answered)
            await self._derived.follow(uow, task, previous=None, tenant=tenant)


def _flag(concern: _Concern, withheld_from: Iterable[str]) -> Tree:
    response = concern.response
    tree: Tree = {
        "resourceType": "Flag",
        "id": concern.flag_id,
        "meta": {"security": list(_labels(concern.rule))},
        "extension": [
            {
                "url": f"{BASE}/StructureDefinition/rule-version",
                "valueCanonical": concern.rules.canonical,
            },
            *({"url": WITHHELD, "valueReference": {"reference": each}} for each in withheld_from),
        ],
        "status": "active",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/flag-category",
                        "code": "safety",
                    }
                ]
            }
        ],
        "code": {"coding": [{"system": CONCERNS, "code": concern.rule.concern}]},
        "subject": response.get("subject"),
        "period": {"start": _answered(response)},
        "encounter": response.get("encounter"),
    }
    return {name: value for name, value in tree.items() if value is not None}


def _task(concern: _Concern, notice: Notice, *, owner: str | None, answered: int) -> Tree:
    code = FOLLOW_UP if notice.hours else FOR_KNOWLEDGE
    tree: Tree = {
        "resourceType": "Task",
        "id": concern.task_id(notice.recipient),
        "meta": {"security": list(_labels(concern.rule))},
        "status": "requested",
        "intent": "order",
        "priority": "urgent" if notice.hours else "routine",
        "code": {"coding": [{"system": TASKS, "code": code}]},
        "focus": {"reference": f"Flag/{concern.flag_id}"},
        "for": concern.response.get("subject"),
        "encounter": concern.response.get("encounter"),
        "authoredOn": format_instant(answered),
        "performerType": [
            {"coding": [{"system": f"{BASE}/CodeSystem/recipient", "code": str(notice.recipient)}]}
        ],
        "owner": {"reference": owner} if owner else None,
    }
    if notice.hours:
        end = format_instant(answered + notice.hours * _HOUR)
        tree["restriction"] = {"period": {"end": end}}
    return {name: value for name, value in tree.items() if value is not None}


def _answered(response: Tree) -> str | None:
    answered: str | None = response.get("authored") or response.get("meta", {}).get("lastUpdated")
    return answered


def _labels(rule: SafetyRule) -> Iterator[Tree]:
    for code in rule.labels:
        yield {"system": _CONFIDENTIALITY if code in _LEVELS else _ACT, "code": code}


def _codes(node: Tree) -> Mapping[str, str]:
    """The code chosen for each item with one coded answer, by linkId."""
    found: dict[str, str] = {}
    for item in node.get("item", ()):
        answers = item.get("answer", ())
        if len(answers) == 1 and "code" in answers[0].get("valueCoding", {}):
            found[item["linkId"]] = answers[0]["valueCoding"]["code"]
        found.update(_codes(item))
        for answer in answers:
            found.update(_codes(answer))
    return found
