"""Invariants of Questionnaire and QuestionnaireResponse.

https://hl7.org/fhir/R4/questionnaire.html#invs. The published que-12 counts more than two
conditions where its text says more than one: the text counts. The published que-7 asks for
``Boolean``, which no FHIR value is: a boolean is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.fhir.invariants.rule import Rule, at_most_one, chosen, distinct, exists, never
from app.fhir.json import Tree

_WITH_OPTIONS = (
    "choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity"
)  # fmt: skip
_WITH_LENGTH = ("boolean", "decimal", "integer", "string", "text", "url", "open-choice")


def _nesting(item: Tree) -> bool:
    nested = exists(item, "item")
    return not (item.get("type") == "group" and not nested) and not (
        item.get("type") == "display" and nested
    )


def _link_ids(questionnaire: Tree) -> Iterator[str]:
    for item in questionnaire.get("item", ()):
        if "linkId" in item:
            yield item["linkId"]
        yield from _link_ids(item)


def _options(item: Tree) -> bool:
    return item.get("type") in _WITH_OPTIONS or not (
        exists(item, "answerValueSet") or exists(item, "answerOption")
    )


RULES: Mapping[str, Rule] = {
    "que-1": _nesting,
    "que-2": lambda questionnaire: distinct(_link_ids(questionnaire)),
    "que-3": never("type", ("display",), "code"),
    "que-4": at_most_one("answerOption", "answerValueSet"),
    "que-5": _options,
    "que-6": never("type", ("display",), "required", "repeats"),
    "que-7": lambda when: (
        when.get("operator") != "exists" or chosen(when, "answer") == "answerBoolean"
    ),
    "que-8": never("type", ("group", "display"), "initial"),
    "que-9": never("type", ("display",), "readOnly"),
    "que-10": lambda item: item.get("type") in _WITH_LENGTH or not exists(item, "maxLength"),
    "que-11": at_most_one("answerOption", "initial"),
    "que-12": lambda item: len(item.get("enableWhen", ())) <= 1 or exists(item, "enableBehavior"),
    "que-13": lambda item: item.get("repeats") is True or len(item.get("initial", ())) <= 1,
    "qrs-1": at_most_one("answer", "item"),
}
