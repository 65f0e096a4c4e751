"""Forms that somebody is asked to answer: the Task, its questionnaire, and the answers given.

A Task with the code ``complete-questionnaire`` asks its ``owner`` if that is a Practitioner, else
the patient whom it is ``for``, to answer the questionnaire that an input of type canonical, or
``focus``, names. A link of its own lets that person answer without an account: random, kept by its
hash, good until it expires and once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.core.clock import SECOND, Clock, format_instant
from app.core.errors import AppError, Category
from app.core.ids import IdSource
from app.fhir import json, primitives
from app.fhir.json import Tree
from app.fhir.parameters import place_of
from app.fhir.registry import REGISTRY
from app.repositories.answer_links import AnswerLink
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.security import jose
from app.services.courses import id_in
from app.services.derived import Derived
from app.services.displays import text_of
from app.services.instruments import BASE
from app.services.terminology import Terminology

CODE = f"{BASE}/CodeSystem/task-code"
FORM = "complete-questionnaire"
LONGEST = 30 * 86_400 * SECOND
_OPEN = frozenset(("requested", "received", "accepted", "ready", "in-progress"))
_ASKED = frozenset(
    ("choice", "open-choice", "boolean", "integer", "decimal", "string", "text", "date")
)
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link leads to: the task, the form, who answers (``Patient/x``) and about whom."""

    link: AnswerLink
    task: Tree
    questionnaire: Tree
    who: str
    subject: str


@dataclass(frozen=True, slots=True)
class Question:
    """One item as a page asks it; ``options`` are texts, ``level`` its depth."""

    link_id: str
    kind: str
    text: str
    level: int
    options: tuple[str, ...] = ()


class Answering:
    """Makes links, opens them, and turns what was filled in into a response."""

    def __init__(
        self, *, derived: Derived, terminology: Terminology, clock: Clock, ids: IdSource
    ) -> None:
        self._derived = derived
        self._terminology = terminology
        self._clock = clock
        self._ids = ids

    async def issue(
        self, uow: UnitOfWork, task: Tree, *, expires: str, kiosk: bool, tenant: int
    ) -> str:
        """A new link's token; earlier links to the task that nobody used stop working."""
        now = self._clock.now()
        end = primitives.date_range(expires)[0]
        if not now < end <= now + LONGEST:
            raise AppError.of(
                Category.UNPROCESSABLE,
                "value",
                "expires is in the future, at most 30 days ahead",
                place_of("expires"),
            )
        if await self._form(uow, task, tenant=tenant) is None:
            raise AppError.of(
                Category.UNPROCESSABLE,
                "business-rule",
                "the task does not ask for answers to a known questionnaire any more",
                "Task",
            )
        token = jose.encode(self._ids.random(32))
        await uow.answer_links.add(
            tenant, task["id"], token_hash=_hash(token), kiosk=kiosk, now=now, expires=end
        )
        return token

    async def open(self, uow: UnitOfWork, token: str) -> Asked:
        """What a token leads to. Raises ``not-found``, or ``gone`` once used or expired."""
        link = await uow.answer_links.find(_hash(token))
        if link is None:
            raise AppError.of(Category.NOT_FOUND, "not-found", "no such link")
        if link.used is not None or link.expires <= self._clock.now():
            raise _gone()
        stored = await uow.resources.read(
            REGISTRY["Task"].code, link.task, visible=_all(link.tenant)
        )
        task = json.parse_resource(stored.text) if stored and not stored.deleted else {}
        questionnaire = await self._form(uow, task, tenant=link.tenant) if task else None
        if questionnaire is None:
            raise _gone()
        subject = f"Patient/{id_in(task.get('for'), 'Patient')}"
        practitioner = id_in(task.get("owner"), "Practitioner")
        return Asked(
            link=link,
            task=task,
            questionnaire=questionnaire,
            who=f"Practitioner/{practitioner}" if practitioner else subject,
            subject=subject,
        )

    async def use(self, uow: UnitOfWork, asked: Asked) -> None:
        """Uses the link up and ends its task, with the answers or not at all."""
        if not await uow.answer_links.use(asked.link.token_hash, now=self._clock.now()):
            raise _gone()
        tenant = asked.link.tenant
        held = await self._derived.current(uow, "Task", asked.link.task, tenant=tenant)
        if held is None or held.deleted:
            raise _gone()
        task = json.parse_resource(held.text)
        if task.get("status") not in _OPEN:
            raise _gone()
        done = {**task, "status": "completed", "lastModified": format_instant(self._clock.now())}
        await self._derived.follow(uow, done, previous=held, tenant=tenant)

    def response(self, asked: Asked, fields: Mapping[str, str], *, language: str) -> Tree:
        """The response that a page's fields make; unanswered items are left out."""
        questionnaire, task = asked.questionnaire, asked.task
        url, version = questionnaire["url"], questionnaire.get("version")
        tree: Tree = {
            "resourceType": "QuestionnaireResponse",
            "language": language,
            "questionnaire": f"{url}|{version}" if version else url,
            "status": "completed",
            "subject": {"reference": asked.subject},
            "encounter": task.get("encounter"),
            "authored": format_instant(self._clock.now()),
            "author": {"reference": asked.who},
            "source": {"reference": asked.who},
            "item": list(_answered(questionnaire, fields)),
        }
        return {name: value for name, value in tree.items() if value}

    async def _form(self, uow: UnitOfWork, task: Tree, *, tenant: int) -> Tree | None:
        """The questionnaire that an open task about a patient names, as input or as focus."""
        if task.get("status") not in _OPEN or id_in(task.get("for"), "Patient") is None:
            return None
        visible = _all(tenant)
        for named in _named(task):
            known = id_in({"reference": named}, "Questionnaire")
            stored = (
                await uow.resources.read(REGISTRY["Questionnaire"].code, known, visible=visible)
                if known is not None
                else None
            )
            if stored is not None and not stored.deleted:
                return json.parse_resource(stored.text)
            found = await self._terminology.canonical(uow, "Questionnaire", named, visible=visible)
            if found is not None:
                return found
        return None


def _named(task: Tree) -> Iterator[str]:
    """What may be the address of a task's questionnaire, as integrators write it."""
    for each in task.get("input", ()):
        given = each.get("valueCanonical") or each.get("valueUri")
        yield given or each.get("valueReference", {}).get("reference", "")
    yield task.get("focus", {}).get("reference", "")
    yield task.get("instantiatesCanonical", "")


def questions(questionnaire: Tree, language: str) -> Sequence[Question]:
    """The items in order, as a page asks them; what it cannot ask is left out."""
    return list(_questions(questionnaire, language, 0))


def _questions(node: Tree, language: str, level: int) -> Iterator[Question]:
    for item in node.get("item", ()):
        if item["type"] in _ASKED or item["type"] in ("group", "display"):
            options = [_label(option, language) for option in item.get("answerOption", ())]
            yield Question(
                link_id=item["linkId"],
                kind=item["type"],
                text=text_of(item, "text", language) or item.get("prefix") or item["linkId"],
                level=level,
                options=tuple(options),
            )
        yield from _questions(item, language, level + 1)


def _label(option: Tree, language: str) -> str:
    coding = option.get("valueCoding")
    if coding is not None:
        return text_of(coding, "display", language) or str(coding.get("code", ""))
    return str(next((value for key, value in option.items() if key.startswith("value")), ""))


def _answered(node: Tree, fields: Mapping[str, str]) -> Iterator[Tree]:
    for item in node.get("item", ()):
        inside = list(_answered(item, fields))
        given = fields.get(field_of(item["linkId"]), "").strip()
        answer = _answer(item, given) if given else None
        filled: Tree = {"linkId": item["linkId"]}
        if answer is not None:
            filled["answer"] = [{**answer, "item": inside} if inside else answer]
        elif inside and item["type"] == "group":
            filled["item"] = inside
        if len(filled) > 1:
            yield filled


def field_of(link_id: str) -> str:
    """The name of an item's field on the page."""
    return f"item-{link_id}"


def _answer(item: Tree, given: str) -> Tree | None:
    match item["type"]:
        case "choice" | "open-choice":
            options = item.get("answerOption", ())
            if not given.isascii() or not given.isdigit() or int(given[:6]) >= len(options):
                return None
            return _chosen(options[int(given[:6])])
        case "boolean":
            return {"valueBoolean": given == "true"}
        case "integer":
            return {"valueInteger": int(given)} if _is_whole(given) else {"valueString": given}
        case "decimal":
            exact = given.replace(",", ".").replace("\N{ARABIC DECIMAL SEPARATOR}", ".")
            fits = _DECIMAL.fullmatch(exact)
            return {"valueDecimal": json.number(exact)} if fits else {"valueString": given}
        case "date":
            return {"valueDate": given}
        case "string" | "text":
            return {"valueString": given}
    return None


def _chosen(option: Tree) -> Tree:
    """The answer that an option is, without what only its definition carries."""
    coding = option.get("valueCoding")
    if coding is None:
        return {key: value for key, value in option.items() if key.startswith("value")}
    return {"valueCoding": {key: coding[key] for key in ("system", "code") if key in coding}}


def _is_whole(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdigit() and len(text) < 10


def _gone() -> AppError:
    return AppError.of(Category.GONE, "expired", "the link is no longer good")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _all(tenant: int) -> Visible:
    return Visible.everything(tenant, reason="whoever holds the link was asked to answer")
