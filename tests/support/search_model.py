"""Search as plain Python over a list of resources: slow, obvious, and no part of the server.

It reads the specification by itself (https://hl7.org/fhir/R4/search.html): values are found
by hand-written paths, dates are pairs of ``datetime``, numbers are ``Decimal``. What is hidden
from a caller is simply not in its list.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

Tree = dict[str, Any]
Values = Callable[[Tree], list[Any]]

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, tzinfo=UTC)
# The system that the type's only plain code implies.
IMPLIED_SYSTEMS = {
    "Patient": "http://hl7.org/fhir/administrative-gender",
    "Observation": "http://hl7.org/fhir/observation-status",
    "Encounter": "http://hl7.org/fhir/encounter-status",
    "QuestionnaireResponse": "http://hl7.org/fhir/questionnaire-answers-status",
    "Questionnaire": "http://hl7.org/fhir/publication-status",
}


@dataclass(frozen=True)
class Parameter:
    type: str
    values: Values
    targets: tuple[str, ...] = ()


def path(text: str) -> Values:
    """The values at a dotted path, arrays flattened."""

    def values(tree: Tree) -> list[Any]:
        found: list[Any] = [tree]
        for step in text.split("."):
            following: list[Any] = []
            for each in found:
                value = each.get(step) if isinstance(each, dict) else None
                following += value if isinstance(value, list) else [] if value is None else [value]
            found = following
        return found

    return values


def any_of(*texts: str) -> Values:
    return lambda tree: [value for text in texts for value in path(text)(tree)]


def to(text: str, *types: str) -> Values:
    """References that lead to one of the types."""
    return lambda tree: [value for value in path(text)(tree) if _target(value)[0] in types]


def parts(text: str, *names: str) -> Values:
    return lambda tree: [
        part for value in path(text)(tree) for n in names for part in path(n)(value)
    ]


NAME = ("text", "family", "given", "prefix", "suffix")
EFFECTIVE = ("effectiveDateTime", "effectivePeriod", "effectiveInstant")
COMMON = {
    "_tag": Parameter("token", path("meta.tag")),
    "_security": Parameter("token", path("meta.security")),
}
PARAMETERS: dict[str, dict[str, Parameter]] = {
    "Patient": {
        "name": Parameter("words", parts("name", *NAME)),
        "family": Parameter("words", path("name.family")),
        "gender": Parameter("token", path("gender")),
        "active": Parameter("token", path("active")),
        "birthdate": Parameter("date", path("birthDate")),
        "identifier": Parameter("token", path("identifier")),
        "general-practitioner": Parameter(
            "reference", path("generalPractitioner"), ("Practitioner",)
        ),
    },
    "Practitioner": {
        "name": Parameter("words", parts("name", *NAME)),
        "identifier": Parameter("token", path("identifier")),
    },
    "Encounter": {
        "status": Parameter("token", path("status")),
        "date": Parameter("date", path("period")),
        "subject": Parameter("reference", path("subject"), ("Patient",)),
        "patient": Parameter("reference", to("subject", "Patient"), ("Patient",)),
    },
    "Observation": {
        "status": Parameter("token", path("status")),
        "code": Parameter("token", path("code")),
        "category": Parameter("token", path("category")),
        "combo-code": Parameter("token", any_of("code", "component.code")),
        "date": Parameter("date", any_of(*EFFECTIVE)),
        "subject": Parameter("reference", path("subject"), ("Patient",)),
        "patient": Parameter("reference", to("subject", "Patient"), ("Patient",)),
        "encounter": Parameter("reference", path("encounter"), ("Encounter",)),
        "has-member": Parameter("reference", path("hasMember"), ("Observation",)),
        "value-quantity": Parameter("quantity", path("valueQuantity")),
        "value-string": Parameter("string", path("valueString")),
    },
    "Questionnaire": {
        "status": Parameter("token", path("status")),
        "title": Parameter("string", path("title")),
        "url": Parameter("uri", path("url")),
        "version": Parameter("token", path("version")),
    },
    "QuestionnaireResponse": {
        "status": Parameter("token", path("status")),
        "authored": Parameter("date", path("authored")),
        "subject": Parameter("reference", path("subject"), ("Patient",)),
        "questionnaire": Parameter("reference", path("questionnaire"), ("Questionnaire",)),
    },
}
# Composite: how to find the values, and for each component where in a value it is.
COMPOSITES = {
    "component-code-value-quantity": path("component"),
    "combo-code-value-quantity": lambda tree: [tree, *path("component")(tree)],
    "code-value-quantity": lambda tree: [tree],
}


@dataclass(frozen=True)
class Row:
    """A resource and when it was stored; ``order`` grows with each new resource."""

    tree: Tree
    order: int
    updated: datetime

    @property
    def key(self) -> tuple[str, str]:
        return self.tree["resourceType"], self.tree["id"]


class Model:
    """The resources that one caller can see."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)

    def of(self, type_name: str) -> list[Row]:
        return [row for row in self.rows if row.tree["resourceType"] == type_name]

    def search(
        self, type_name: str, criteria: list[tuple[str, str]], sort: list[str] | None = None
    ) -> list[str]:
        """``Type/id`` of the matches, in order."""
        found = [
            row
            for row in self.of(type_name)
            if all(self.meets(row, name, value) for name, value in criteria)
        ]
        found.sort(key=lambda row: -row.order)
        for key in reversed(sort or []):
            code, descending = key.removeprefix("-"), key.startswith("-")
            valued = [(self.sort_value(row, code, descending), row) for row in found]
            there = [pair for pair in valued if pair[0] is not None]
            there.sort(key=lambda pair: pair[0], reverse=descending)  # stable either way
            found = [row for _, row in there] + [row for value, row in valued if value is None]
        return ["/".join(row.key) for row in found]

    def meets(self, row: Row, name: str, value: str) -> bool:
        if name.startswith("_has:"):
            _, source, code, rest = name.split(":", 3)
            return any(
                self.leads(other, PARAMETERS[source][code], row) and self.meets(other, rest, value)
                for other in self.of(source)
            )
        head, dot, rest = name.partition(".")
        code, _, modifier = head.partition(":")
        if dot:
            parameter = PARAMETERS[row.tree["resourceType"]][code]
            return any(
                self.leads(row, parameter, other) and self.meets(other, rest, value)
                for type_name in ([modifier] if modifier else parameter.targets)
                for other in self.of(type_name)
            )
        return self.meets_leaf(row, code, modifier, value)

    def meets_leaf(self, row: Row, code: str, modifier: str, value: str) -> bool:
        alternatives = [text for text in value.split(",") if text]
        if code == "_id":
            return row.tree["id"] in alternatives
        if code == "_lastUpdated":
            interval = (row.updated, row.updated + timedelta(microseconds=1))
            return any(_date_passes(interval, text) for text in alternatives)
        if code in COMPOSITES:
            return any(
                _composite_passes(part, *text.split("$"))
                for text in alternatives
                for part in COMPOSITES[code](row.tree)
            )
        parameter = (COMMON | PARAMETERS[row.tree["resourceType"]])[code]
        values = parameter.values(row.tree)
        if modifier == "missing":
            return bool(values) is (value == "false")
        if modifier == "not":
            return not self.meets_leaf(row, code, "", value)
        type_name = row.tree["resourceType"]
        return any(
            _passes(parameter.type, modifier, each, text, type_name)
            for each in values
            for text in alternatives
        )

    def leads(self, row: Row, parameter: Parameter, target: Row) -> bool:
        for value in parameter.values(row.tree):
            if isinstance(value, str):
                url, _, version = value.partition("|")
                if target.tree.get("url") == url and version in ("", target.tree.get("version")):
                    return True
            elif _target(value) == target.key:
                return True
        return False

    def included(self, matches: list[str], source: str, code: str) -> set[str]:
        return {
            "/".join(other.key)
            for row in self.of(source)
            if "/".join(row.key) in matches
            for other in self.rows
            if self.leads(row, PARAMETERS[source][code], other)
        } - set(matches)

    def including(self, matches: list[str], source: str, code: str) -> set[str]:
        return {
            "/".join(row.key)
            for row in self.of(source)
            for other in self.rows
            if "/".join(other.key) in matches and self.leads(row, PARAMETERS[source][code], other)
        } - set(matches)

    def sort_value(self, row: Row, code: str, descending: bool) -> Any:
        if code == "_id":
            return row.tree["id"]
        if code == "_lastUpdated":
            return row.updated
        parameter = (COMMON | PARAMETERS[row.tree["resourceType"]])[code]
        keys = [_sort_key(parameter.type, value) for value in parameter.values(row.tree)]
        there = [key for group in keys for key in group if key != ""]
        if not there:
            return None
        return max(there) if descending else min(there)


def _sort_key(type_name: str, value: Any) -> Iterator[Any]:
    match type_name:
        case "string" | "words":
            yield fold(value)
        case "token":
            yield from (code for _, code in _tokens(value) if code)
        case "date":
            yield _interval(value)[0]
        case "quantity":
            if "value" in value:
                yield Decimal(str(value["value"]))
        case "reference":
            yield value.partition("|")[0] if isinstance(value, str) else _target(value)[1]
        case "uri":
            yield value


def fold(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def _target(value: Any) -> tuple[str, str]:
    type_name, _, id = value.get("reference", "").partition("/")
    return type_name, id


def _tokens(value: Any) -> list[tuple[str | None, str | None]]:
    """System and code; a plain code has a system that its element implies: ``*``."""
    if isinstance(value, bool):
        return [(None, str(value).lower())]
    if isinstance(value, str):
        return [("*", value)]
    if "coding" in value or "text" in value:
        return [(c.get("system"), c.get("code")) for c in value.get("coding", [])]
    return [(value.get("system"), value.get("code", value.get("value")))]


def _passes(type_name: str, modifier: str, value: Any, text: str, owner: str) -> bool:
    match type_name, modifier:
        case "string" | "words", "exact":
            return bool(value == text)
        case "string" | "words", "contains":
            return fold(text) in fold(value)
        case "words", "":
            words = fold(value).split(" ")
            starts = [" ".join(words[i:]) for i in range(len(words))]
            return any(start.startswith(fold(text)) for start in starts)
        case "string", "":
            return fold(value).startswith(fold(text))
        case "token", "text":
            texts = [value.get("text"), *(c.get("display") for c in value.get("coding", []))]
            return any(fold(t).startswith(fold(text)) for t in texts if t)
        case "token", "":
            return any(_token_passes(s, c, text, owner) for s, c in _tokens(value))
        case "date", "":
            return _date_passes(_interval(value), text)
        case "quantity", "":
            return _quantity_passes(value, text)
        case "reference", _:
            return _reference_passes(value, text, modifier)
        case "uri", "":
            return bool(value == text)
        case "uri", "below":
            return bool(value == text or value.startswith(f"{text}/"))
    raise AssertionError((type_name, modifier))


def _token_passes(system: str | None, code: str | None, text: str, owner: str) -> bool:
    asked_system, bar, asked_code = text.rpartition("|")
    if not code or (asked_code and asked_code != code):
        return False
    if not bar:
        return True
    if system == "*":
        system = IMPLIED_SYSTEMS.get(owner)
    return (system or "") == asked_system


def _reference_passes(value: Any, text: str, modifier: str) -> bool:
    if isinstance(value, str):
        url, _, version = text.partition("|")
        value_url, _, value_version = value.partition("|")
        return url == value_url and version in ("", value_version)
    type_name, id = _target(value)
    if not id:
        return False
    if modifier:
        return (type_name, id) == (modifier, text)
    return text in (id, f"{type_name}/{id}")


def _interval(value: Any) -> tuple[datetime, datetime]:
    if isinstance(value, str):
        return interval(value)
    start = interval(value["start"])[0] if "start" in value else EARLIEST
    end = interval(value["end"])[1] if "end" in value else LATEST
    return start, end


def interval(text: str) -> tuple[datetime, datetime]:
    """First moment, and first moment after."""
    if re.fullmatch(r"\d{4}", text):
        return datetime(int(text), 1, 1, tzinfo=UTC), datetime(int(text) + 1, 1, 1, tzinfo=UTC)
    if re.fullmatch(r"\d{4}-\d\d", text):
        start = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
        return start, (start + timedelta(days=32)).replace(day=1)
    moment = datetime.fromisoformat(text)
    if len(text) == 10:
        moment = moment.replace(tzinfo=UTC)
        return moment, moment + timedelta(days=1)
    return moment, moment + (timedelta(milliseconds=1) if "." in text else timedelta(seconds=1))


def _prefixed(text: str) -> tuple[str, str]:
    return (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)


def _date_passes(value: tuple[datetime, datetime], text: str) -> bool:
    prefix, date = _prefixed(text)
    (low, high), (start, end) = value, interval(date)
    inside = start <= low and high <= end
    match prefix:
        case "eq":
            return inside
        case "ne":
            return not inside
        case "gt":
            return high > end
        case "lt":
            return low < start
        case "ge":
            return high > end or inside
        case "le":
            return low < start or inside
        case "sa":
            return low >= end
        case "eb":
            return high <= start
    raise AssertionError(prefix)


def _quantity_passes(value: Any, text: str) -> bool:
    if "value" not in value:
        return False
    number, *unit = text.split("|")
    if not _number_passes(Decimal(str(value["value"])), number):
        return False
    if not unit:
        return True
    system, code = unit
    if not system:
        return code in (value.get("code"), value.get("unit"))
    return (value.get("system"), value.get("code")) == (system, code)


def _number_passes(value: Decimal, text: str) -> bool:
    prefix, digits = _prefixed(text)
    number = Decimal(digits)
    half = Decimal(5).scaleb(int(number.as_tuple().exponent) - 1)
    match prefix:
        case "eq":
            return number - half <= value < number + half
        case "ne":
            return not number - half <= value < number + half
        case "gt" | "sa":
            return value > number
        case "lt" | "eb":
            return value < number
        case "ge":
            return value >= number
        case "le":
            return value <= number
    raise AssertionError(prefix)


def _composite_passes(part: Tree, code: str, quantity: str) -> bool:
    codes = [token for value in path("code")(part) for token in _tokens(value)]
    return any(_token_passes(s, c, code, "") for s, c in codes) and any(
        _quantity_passes(value, quantity) for value in path("valueQuantity")(part)
    )
