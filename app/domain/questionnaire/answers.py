"""The numbers in a response: what a scoring key reads."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from app.domain.questionnaire.definition import CompiledQuestionnaire
from app.fhir import primitives
from app.fhir.json import JSON, Tree, to_decimal


def answers_of(questionnaire: CompiledQuestionnaire, response: Tree) -> dict[str, Decimal | None]:
    """The answer of each item that is a number or has weighted options, by linkId.

    Every such item is present; ``None`` where it has no answer, more than one, or an option
    without a weight (does not apply, rather not say). Weights are the questionnaire's, never
    those that a response brings along.
    """
    found: dict[str, Decimal | None] = {
        item.link_id: None
        for item in questionnaire.by_link_id.values()
        if item.weights or "valueDecimal" in item.values or "valueInteger" in item.values
    }
    seen: set[str] = set()
    for node in _items(response):
        link_id = node.get("linkId")
        if link_id not in found:
            continue
        answers = node.get("answer", ())
        single = answers[0] if len(answers) == 1 and link_id not in seen else None
        seen.add(link_id)
        found[link_id] = _number(questionnaire, link_id, single)
    return found


def _items(node: JSON) -> Iterator[Tree]:
    for item in node.get("item", ()):
        yield item
        yield from _items(item)
        for answer in item.get("answer", ()):
            if "item" in answer:
                yield from _items(answer)


def _number(
    questionnaire: CompiledQuestionnaire, link_id: str, answer: Tree | None
) -> Decimal | None:
    if answer is None:
        return None
    for key in ("valueDecimal", "valueInteger"):
        value: JSON = answer.get(key)
        if primitives.is_decimal(value):
            return to_decimal(value)
    coding = answer.get("valueCoding")
    if coding is None:
        return None
    weights = questionnaire.by_link_id[link_id].weights
    return weights.get((coding.get("system"), coding.get("code")))
