"""A form filled in as far as the record knows.

https://hl7.org/fhir/uv/sdc/populate.html. Answers come from ``initial``, from
``initialExpression`` over the subject and the other contexts in the FHIRPath subset of
``app.fhir.paths``, and from the newest Observation with the item's code
(``observationLinkPeriod``). What cannot be computed is named by an issue and left for the person
to answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.errors import AppError, Issue, Severity
from app.fhir import json, paths
from app.fhir.json import JSON, Tree
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.services.courses import extension
from app.services.trees import matching

_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition"
_EXPRESSION = f"{_SDC}/sdc-questionnaire-initialExpression"
_OBSERVED = f"{_SDC}/sdc-questionnaire-observationLinkPeriod"
_LANGUAGES = ("text/fhirpath", "application/fhirpath")
_MOST = 1000

# How a value of the record becomes an answer, by the type of the item.
_ANSWERS: Mapping[str, str] = {
    "boolean": "valueBoolean",
    "decimal": "valueDecimal",
    "integer": "valueInteger",
    "date": "valueDate",
    "dateTime": "valueDateTime",
    "time": "valueTime",
    "string": "valueString",
    "text": "valueString",
    "url": "valueUri",
    "choice": "valueCoding",
    "open-choice": "valueCoding",
    "quantity": "valueQuantity",
    "reference": "valueReference",
}


@dataclass(slots=True)
class _Filling:
    """What is known while a form is filled in; ``observed`` are newest first."""

    contexts: Mapping[str, Tree]
    observed: list[Tree]
    issues: list[Issue] = field(default_factory=list)


class Population:
    """Fills in forms."""

    def __init__(self, *, base: str) -> None:
        self._base = base

    async def populate(
        self,
        uow: UnitOfWork,
        questionnaire: Tree,
        subject: str,
        *,
        contexts: Mapping[str, Tree],
        visible: Visible,
    ) -> tuple[Tree, list[Issue]]:
        """The response, in progress, and what could not be computed.

        ``subject`` is a reference; ``contexts`` are resources by the name that expressions know
        them by, without the percent sign.
        """
        codes = [code for item in _items(questionnaire) for code in _linked_codes(item)]
        observed = await self._observed(uow, subject, codes, visible=visible) if codes else []
        filling = _Filling(contexts, observed)
        url, version = questionnaire.get("url"), questionnaire.get("version")
        response: Tree = {
            "resourceType": "QuestionnaireResponse",
            "questionnaire": f"{url}|{version}" if url and version else url,
            "status": "in-progress",
            "subject": {"reference": subject},
            "item": list(_filled(questionnaire, filling)),
        }
        return {name: value for name, value in response.items() if value}, filling.issues

    async def _observed(
        self, uow: UnitOfWork, subject: str, codes: Iterable[str], *, visible: Visible
    ) -> list[Tree]:
        criteria = [("subject", subject), ("code", ",".join(dict.fromkeys(codes)))]
        trees = await matching(
            uow, "Observation", criteria, visible=visible, limit=_MOST, base=self._base
        )
        known = [each for each in trees if each.get("status") in ("final", "amended", "corrected")]
        return sorted(known, key=lambda each: each.get("effectiveDateTime", ""), reverse=True)


def _items(node: Tree) -> Iterator[Tree]:
    for item in node.get("item", ()):
        yield item
        yield from _items(item)


def _linked_codes(item: Tree) -> Iterator[str]:
    if extension(item, _OBSERVED):
        for coding in item.get("code", ()):
            yield f"{coding.get('system', '')}|{coding['code']}"


def _filled(node: Tree, filling: _Filling) -> Iterator[Tree]:
    for item in node.get("item", ()):
        inside = list(_filled(item, filling))
        answers = list(_answers(item, filling))
        filled: Tree = {"linkId": item["linkId"]}
        if "text" in item:
            filled["text"] = item["text"]
        if item["type"] == "group":
            filled["item"] = inside
        elif answers:
            filled["answer"] = answers if item.get("repeats") else answers[:1]
            if inside:
                filled["answer"][0]["item"] = inside
        if filled.get("item") or filled.get("answer"):
            yield filled


def _answers(item: Tree, filling: _Filling) -> Iterator[Tree]:
    key = _ANSWERS.get(item["type"])
    if key is None:
        return
    for initial in item.get("initial", ()):
        yield dict(initial)
    for option in item.get("answerOption", ()):
        if option.get("initialSelected"):
            yield {name: value for name, value in option.items() if name.startswith("value")}
    for value in (*_computed(item, filling), *_observation(item, filling)):
        answer = _answer(key, value)
        if answer is not None:
            yield answer


def _computed(item: Tree, filling: _Filling) -> list[JSON]:
    expression = extension(item, _EXPRESSION).get("valueExpression")
    if expression is None:
        return []
    name, _, path = expression.get("expression", "").removeprefix("%").partition(".")
    context = filling.contexts.get(name)
    if expression.get("language") not in _LANGUAGES or not path or context is None:
        filling.issues.append(_beyond(item))
        return []
    try:
        return paths.compile(path).select(context)
    except AppError:
        filling.issues.append(_beyond(item))
        return []


def _observation(item: Tree, filling: _Filling) -> Iterator[JSON]:
    wanted = set(_linked_codes(item))
    for each in filling.observed if wanted else ():
        codes = {
            f"{coding.get('system', '')}|{coding.get('code')}"
            for coding in each["code"].get("coding", ())
        }
        if codes & wanted:
            yield from (value for key, value in each.items() if key.startswith("value"))
            return


def _answer(key: str, value: Any) -> Tree | None:
    """The value as an answer of this kind; none where it is no such value."""
    match key, value:
        case "valueBoolean", bool():
            return {key: value}
        case "valueInteger", int() if not isinstance(value, bool):
            return {key: value}
        case "valueDecimal", dict():
            return _answer(key, value.get("value"))
        case "valueDecimal", _ if json.is_decimal(value):
            return {key: value}
        case "valueCoding", {"coding": [first, *_]}:
            return {key: first}
        case (("valueCoding" | "valueQuantity" | "valueReference"), dict()):
            return {key: value}
        case (("valueDate" | "valueDateTime" | "valueTime" | "valueString" | "valueUri"), str()):
            return {key: value[:10] if key == "valueDate" else value}
    return None


def _beyond(item: Tree) -> Issue:
    return Issue(
        "not-supported",
        "the initial answer of an item cannot be computed here",
        f"Questionnaire.descendants().where(linkId='{item['linkId']}')",
        Severity.WARNING,
    )
