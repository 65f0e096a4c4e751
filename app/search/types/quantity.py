"""quantity: a number with a unit, ``value``, ``value|system|code`` or ``value||code``.

https://hl7.org/fhir/R4/search.html#quantity. Numbers compare as in ``number``. ``value||code``
finds the code in any system and the unit as written. A range, and a value with a comparator,
reach from their low to their high end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import ColumnElement, and_

from app.db.tables.indexes import idx_quantity
from app.fhir.json import JSON, is_decimal, to_decimal
from app.fhir.paths.nodes import Node
from app.search import numbers
from app.search.escapes import split, unescape
from app.search.expression import Expression, Test, Value
from app.search.keys import key
from app.search.numbers import HIGHEST, LOWEST
from app.search.tokens import NO_SYSTEM, system_id
from app.search.types import Asked, Refused, Row
from app.search.values import Columns, equals

INDEXES = {"": idx_quantity}
MODIFIERS: frozenset[str] = frozenset()
ORDER = "low"

_CURRENCY = "urn:iso:std:iso:4217"


def extract(nodes: Iterable[Node], base: str) -> Iterator[Row]:
    """One row for each value and unit, two where the unit is written unlike its code."""
    for node in nodes:
        if isinstance(node.value, dict):
            yield from _rows(node.value, node.type)


def _rows(value: JSON, type_name: str | None) -> Iterator[Row]:
    low: str | None
    high: str | None
    if type_name == "Range":
        ends = [end for end in (value.get("low"), value.get("high")) if isinstance(end, dict)]
        low, high = _ends(value.get("low"), value.get("high"))
        unit = ends[0] if ends else {}
    elif type_name == "SampledData":
        unit = value.get("origin") or {}
        low = high = _number(unit)
    elif type_name == "Money":
        unit = {"system": _CURRENCY, "code": value.get("currency")}
        low = high = _number(value)
    else:
        unit = value
        low, high = _compared(_number(value), value.get("comparator"))
    if low is None or high is None:
        return
    code, name = unit.get("code"), unit.get("unit")
    if isinstance(code, str):
        yield "", (low, high, key(code), system_id(unit.get("system")))
    if isinstance(name, str) and name != code:
        yield "", (low, high, key(name), NO_SYSTEM)
    if not isinstance(code, str) and not isinstance(name, str):
        yield "", (low, high, "", NO_SYSTEM)


def _number(quantity: JSON) -> str | None:
    number = quantity.get("value") if isinstance(quantity, dict) else None
    return numbers.encode(to_decimal(number)) if number is not None and is_decimal(number) else None


def _ends(low: JSON, high: JSON) -> tuple[str, str]:
    return _number(low) or LOWEST, _number(high) or HIGHEST


def _compared(number: str | None, comparator: JSON) -> tuple[str | None, str | None]:
    match comparator:
        case "<" | "<=":
            return LOWEST, number
        case ">" | ">=":
            return number, HIGHEST
    return number, number


def read(texts: Sequence[str], modifier: str, asked: Asked) -> Expression:
    """Ranges of numbers, with their unit if one is given."""
    return asked.param(tuple(_test(split(text, "|")) for text in texts))


def _test(parts: list[str]) -> Test:
    if len(parts) not in (1, 3):
        raise Refused("is not of the form value, value|system|code or value||code")
    try:
        prefix, bounds = numbers.read(unescape(parts[0]))
    except ValueError as error:
        raise Refused(str(error)) from None
    if len(parts) == 1 or not any(parts[1:]):
        return Test(prefix, bounds)
    system, code = map(unescape, parts[1:])
    if not code:
        return Test(f"{prefix} system", (*bounds, system_id(system)))
    if not system:
        return Test(f"{prefix} code", (*bounds, key(code)))
    return Test(f"{prefix} both", (*bounds, key(code), system_id(system)))


def predicate(rows: Columns, test: Test) -> ColumnElement[bool]:
    """Whether a row of the quantity index passes."""
    prefix, _, unit = test.form.partition(" ")
    low, high, *rest = test.values
    return and_(numbers.compare(rows, prefix, (low, high)), *_unit(rows, unit, rest))


def _unit(rows: Columns, unit: str, values: list[Value]) -> Iterator[ColumnElement[bool]]:
    match unit, values:
        case "code", [code]:
            yield equals(rows.code, code)
        case "system", [system]:
            yield equals(rows.system, system)
        case "both", [code, system]:
            yield equals(rows.code, code)
            yield equals(rows.system, system)
