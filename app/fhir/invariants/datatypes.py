"""Invariants of the data types, https://hl7.org/fhir/R4/datatypes.html."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from app.fhir.invariants.rule import (
    UCUM,
    Rule,
    at_most_one,
    chosen,
    comparable,
    exactly_one,
    exists,
    magnitude,
    needs,
    not_later,
    some,
)
from app.fhir.json import Tree

_PREFIX = "(?:[YZEPTGMkhdcmunpfazy]|da)?"
# Units of one dimension; a product, power or annotation is another's to judge.
_TIME_UNIT = re.compile(rf"{_PREFIX}s|min|h|d|wk|(?:a|mo)(?:_[a-z])?|.*[.{{/0-9].*").fullmatch
_LENGTH_UNIT = re.compile(
    rf"{_PREFIX}(?:m|pc|Ao)|AU|\[[a-z]+_(?:i|us|br)\]|.*[.{{/0-9].*"
).fullmatch


def _filled(node: Tree) -> bool:
    return bool(node.keys() - {"id"})


def _extension(node: Tree) -> bool:
    return exists(node, "extension") != (chosen(node, "value") is not None)


def _age(node: Tree) -> bool:
    value = magnitude(node, "value")
    return (
        (exists(node, "code") or not exists(node, "value"))
        and _measured(node, _TIME_UNIT)
        and (value is None or value > 0)
    )


def _count(node: Tree) -> bool:
    value = magnitude(node, "value")
    return (
        (exists(node, "code") or not exists(node, "value"))
        and node.get("system", UCUM) == UCUM
        and node.get("code", "1") == "1"
        and (value is None or value == value.to_integral_value())
    )


def _distance(node: Tree) -> bool:
    return (exists(node, "code") or not exists(node, "value")) and _measured(node, _LENGTH_UNIT)


def _duration(node: Tree) -> bool:
    if not exists(node, "code"):
        return True
    return node.get("system") == UCUM and exists(node, "value") and _measured(node, _TIME_UNIT)


def _measured(node: Tree, unit: Callable[[str], re.Match[str] | None]) -> bool:
    return node.get("system", UCUM) == UCUM and (
        "code" not in node or unit(node["code"]) is not None
    )


def _period(node: Tree) -> bool:
    start, end = node.get("start"), node.get("end")
    return start is None or end is None or not_later(start, end)


def _range(node: Tree) -> bool:
    low, high = node.get("low"), node.get("high")
    if low is None or high is None or not comparable(low, high):
        return True
    least, most = magnitude(low, "value"), magnitude(high, "value")
    return least is None or most is None or least <= most


def _ratio(node: Tree) -> bool:
    top, bottom = exists(node, "numerator"), exists(node, "denominator")
    return top == bottom and (top or exists(node, "extension"))


def _not_negative(name: str) -> Rule:
    def rule(node: Tree) -> bool:
        value = magnitude(node, name)
        return value is None or value >= 0

    return rule


def _offset(node: Tree) -> bool:
    meals = {"C", "CM", "CD", "CV"}
    return not exists(node, "offset") or (
        exists(node, "when") and not meals & set(node.get("when", ()))
    )


def _trigger(node: Tree) -> bool:
    kind = node.get("type", "")
    return (
        (kind != "named-event" or exists(node, "name"))
        and (kind != "periodic" or chosen(node, "timing") is not None)
        and (not kind.startswith("data-") or exists(node, "data"))
    )


RULES: Mapping[str, Rule] = {
    "ele-1": _filled,
    "ext-1": _extension,
    "age-1": _age,
    "att-1": needs("data", "contentType"),
    "cnt-3": _count,
    "cpt-2": needs("value", "system"),
    "dis-1": _distance,
    "drq-1": exactly_one("path", "searchParam"),
    "drq-2": exactly_one("path", "searchParam"),
    "drt-1": _duration,
    "exp-1": some("expression", "reference"),
    "per-1": _period,
    "qty-3": needs("code", "system"),
    "rat-1": _ratio,
    "rng-2": _range,
    "tim-1": needs("duration", "durationUnit"),
    "tim-2": needs("period", "periodUnit"),
    "tim-4": _not_negative("duration"),
    "tim-5": _not_negative("period"),
    "tim-6": needs("periodMax", "period"),
    "tim-7": needs("durationMax", "duration"),
    "tim-8": needs("countMax", "count"),
    "tim-9": _offset,
    "tim-10": at_most_one("timeOfDay", "when"),
    "trd-1": lambda node: not (exists(node, "data") and chosen(node, "timing")),
    "trd-2": needs("condition", "data"),
    "trd-3": _trigger,
}
