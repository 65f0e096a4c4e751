"""Values of answers: their types, their order, and the limits a questionnaire sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from app.core.errors import Severity
from app.domain.questionnaire.definition import Check, Problem
from app.fhir import primitives, references
from app.fhir.json import JSON, to_decimal

# The JSON keys that an answer may have, by the type of its item.
VALUES: Mapping[str, tuple[str, ...]] = {
    "group": (),
    "display": (),
    "boolean": ("valueBoolean",),
    "decimal": ("valueDecimal",),
    "integer": ("valueInteger",),
    "date": ("valueDate",),
    "dateTime": ("valueDateTime",),
    "time": ("valueTime",),
    "string": ("valueString",),
    "text": ("valueString",),
    "url": ("valueUri",),
    "choice": ("valueCoding",),
    "open-choice": ("valueCoding", "valueString"),
    "attachment": ("valueAttachment",),
    "reference": ("valueReference",),
    "quantity": ("valueQuantity",),
}


def _texts(*members: str) -> Callable[[JSON], bool]:
    """Whether a value is an object whose members of these names are texts where they stand."""

    def predicate(value: JSON) -> bool:
        if not isinstance(value, dict):
            return False
        for member in members:  # noqa: SIM110 - asked of every answer
            if not isinstance(value.get(member, ""), str):
                return False
        return True

    return predicate


SHAPES: Mapping[str, Callable[[JSON], bool]] = {
    "valueBoolean": primitives.is_boolean,
    "valueDecimal": primitives.is_decimal,
    "valueInteger": primitives.is_integer,
    "valueDate": primitives.is_date,
    "valueDateTime": primitives.is_date_time,
    "valueTime": primitives.is_time,
    "valueString": primitives.is_string,
    "valueUri": primitives.is_uri,
    "valueCoding": _texts("system", "code"),
    "valueAttachment": _texts("contentType"),
    "valueReference": _texts("reference", "type"),
    "valueQuantity": _texts("system", "code", "unit"),
}


def identity(key: str, value: JSON) -> JSON:
    """What makes two values the same: of a Coding its system and code, never its display."""
    if key == "valueCoding":
        return key, value.get("system"), value.get("code")
    if key == "valueReference":
        return key, value.get("reference")
    if key == "valueQuantity":
        return key, _number(value), value.get("system"), value.get("code"), value.get("unit")
    if key in {"valueDecimal", "valueInteger"}:
        return "number", to_decimal(value)
    if key in {"valueDate", "valueDateTime"}:
        return "date", primitives.date_range(value)
    return key, value


def compare(key: str, left: JSON, right: JSON) -> int | None:
    """-1, 0 or 1; none where the order is not known, as of 2024 and 2024-05."""
    if key in {"valueDate", "valueDateTime"}:
        return _compare_ranges(primitives.date_range(left), primitives.date_range(right))
    if key == "valueQuantity":
        if any(left.get(part) != right.get(part) for part in ("system", "code")) or (
            "code" not in left and left.get("unit") != right.get("unit")
        ):
            return None
        here, there = _number(left), _number(right)
        return None if here is None or there is None else _sign(here, there)
    if key in {"valueDecimal", "valueInteger"}:
        return _sign(to_decimal(left), to_decimal(right))
    return _sign(left, right) if isinstance(left, str) and isinstance(right, str) else None


def are_comparable(key: str, limit_key: str) -> bool:
    """Whether values of both keys have an order among them."""
    numbers, dates = {"valueDecimal", "valueInteger"}, {"valueDate", "valueDateTime"}
    return key == limit_key or {key, limit_key} <= numbers or {key, limit_key} <= dates


def among(options: frozenset[JSON]) -> Check:
    """Only these answers; in ``open-choice`` a string is free."""

    def check(key: str, value: JSON, _: object) -> Problem | None:
        if identity(key, value) in options:
            return None
        return Problem("code-invalid", "not one of the answer options")

    return check


def free_text(check: Check) -> Check:
    """The check of an ``open-choice``: a string is as good as an option."""
    return lambda key, value, ask: None if key == "valueString" else check(key, value, ask)


def no_longer(limit: int) -> Check:
    """At most so many characters."""

    def check(_: str, value: JSON, __: object) -> Problem | None:
        if isinstance(value, str) and len(value) > limit:
            return Problem("too-long", f"longer than {limit} characters")
        return None

    return check


def no_shorter(limit: int) -> Check:
    """At least so many characters."""

    def check(_: str, value: JSON, __: object) -> Problem | None:
        if isinstance(value, str) and len(value) < limit:
            return Problem("value", f"shorter than {limit} characters")
        return None

    return check


def bounded(sign: int, limit_key: str, limit: JSON) -> Check:
    """Not above the limit (``sign`` 1), or not below it (-1)."""
    word = "above the highest" if sign > 0 else "below the lowest"

    def check(key: str, value: JSON, _: object) -> Problem | None:
        order = compare(limit_key, value, limit) if are_comparable(key, limit_key) else None
        if order is None:
            return Problem("not-supported", "cannot be compared with the limit", Severity.WARNING)
        return Problem("value", f"{word} value allowed") if order == sign else None

    return check


def no_finer(places: int) -> Check:
    """At most so many decimal places as written."""

    def check(_: str, value: JSON, __: object) -> Problem | None:
        exponent = to_decimal(value).as_tuple().exponent
        if isinstance(exponent, int) and -exponent > places:
            return Problem("value", f"more than {places} decimal places")
        return None

    return check


def no_larger(size: Decimal) -> Check:
    """An attachment of at most so many bytes, by its own word."""

    def check(_: str, value: JSON, __: object) -> Problem | None:
        stated = value.get("size")
        if primitives.is_integer(stated) and stated > size:
            return Problem("too-long", f"larger than {size} bytes")
        return None

    return check


def of_media(types: frozenset[str]) -> Check:
    """An attachment of one of these media types."""

    def check(_: str, value: JSON, __: object) -> Problem | None:
        stated = value.get("contentType")
        media = stated.partition(";")[0].strip() if isinstance(stated, str) else None
        return None if media in types else Problem("value", "not a media type that is asked for")

    return check


def to_types(types: frozenset[str]) -> Check:
    """A reference to one of these resource types."""

    def check(_: str, value: JSON, __: object) -> Problem | None:
        text, stated = value.get("reference"), value.get("type")
        found = references.parse(text).type if isinstance(text, str) else None
        if (found or stated) in types:
            return None
        return Problem("value", "not a resource type that is asked for")

    return check


def in_units(units: frozenset[JSON]) -> Check:
    """A quantity in one of these units."""

    def check(_: str, value: JSON, __: object) -> Problem | None:
        if ("valueCoding", value.get("system"), value.get("code")) in units:
            return None
        return Problem("code-invalid", "not one of the units")

    return check


def _number(quantity: JSON) -> Decimal | None:
    value = quantity.get("value")
    return to_decimal(value) if primitives.is_decimal(value) else None


def _compare_ranges(left: tuple[int, int], right: tuple[int, int]) -> int | None:
    if left == right:
        return 0
    if left[1] <= right[0]:
        return -1
    return 1 if left[0] >= right[1] else None


def _sign(left: Decimal | str, right: Decimal | str) -> int:
    if left == right:
        return 0
    return -1 if left < right else 1  # type: ignore[operator]
