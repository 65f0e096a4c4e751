"""Exact decimals as text that sorts as the numbers do, and how they are compared.

A binary float has 17 digits and FHIR's decimals have as many as the client wrote, so numbers
are compared as text: sign, exponent, digits. The same on both databases. An indexed value is
a point (``low`` equals ``high``) or a range.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from app.search import prefixes
from app.search.expression import Value
from app.search.values import Columns, bound

LOWEST, HIGHEST = "0", "3"
DIGITS = 1000  # as many as a stored decimal may have
_ZERO = "1"
_BIAS = 50_000
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?", re.ASCII)
_MIRROR = str.maketrans("0123456789", "9876543210")


def encode(number: Decimal) -> str:
    """Text whose order by code point is the order of the numbers."""
    sign, digits, _ = number.as_tuple()
    text = "".join(map(str, digits[: DIGITS + 1])).strip("0")[:DIGITS]
    if not text:
        return _ZERO
    exponent = number.adjusted()
    if abs(exponent) >= _BIAS:  # past what anything is measured in: smallest or largest
        exponent, text = (_BIAS - 1, "9") if exponent > 0 else (1 - _BIAS, "1")
    key = f"{exponent + _BIAS:05d}{text}"
    # A negative number is mirrored and closed, so that more digits mean a smaller one.
    return f"0{key.translate(_MIRROR)}~" if sign else f"2{key}"


def parse(text: str) -> Decimal:
    """A FHIR decimal; ``ValueError`` where it is none."""
    if len(text) > DIGITS + 10 or not _NUMBER.fullmatch(text):
        raise ValueError("is not a number")
    return Decimal(text)


def implicit_range(number: Decimal) -> tuple[Decimal, Decimal]:
    """The half-open range that a number means by its digits: ``100`` is 99.5 to 100.5."""
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    # Exactly: ten times the digits, half a unit up and down, in tenths of the last digit.
    whole = int("".join(map(str, digits))) * (-10 if sign else 10)
    return _scaled(whole - 5, exponent - 1), _scaled(whole + 5, exponent - 1)


def near(number: Decimal) -> tuple[Decimal, Decimal]:
    """A tenth of the number down and up, for the prefix ``ap``."""
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    whole = int("".join(map(str, digits))) * (-1 if sign else 1)
    low, high = sorted((whole * 9, whole * 11))
    return _scaled(low, exponent - 1), _scaled(high, exponent - 1)


def _scaled(whole: int, exponent: int) -> Decimal:
    return Decimal((int(whole < 0), tuple(map(int, str(abs(whole)))), exponent))


def read(text: str) -> tuple[str, tuple[str, str]]:
    """The prefix and the range of a number as it is asked for; ``ValueError`` if it is none."""
    prefix, rest = prefixes.split(text)
    number = parse(rest)
    match prefix:
        case "eq" | "ne":
            low, high = implicit_range(number)
        case "ap":
            low, high = near(number)
        case _:
            low = high = number
    return prefix, (encode(low), encode(high))


def compare(rows: Columns, prefix: str, values: Sequence[Value]) -> ColumnElement[bool]:
    """Whether an indexed range passes; the first condition of each is one the index can use."""
    low, high = (bound(value, rows.low) for value in values)
    return _COMPARISONS[prefix](rows, low, high)


_Operand = ColumnElement[Any]
_COMPARISONS: dict[str, Callable[[Columns, _Operand, _Operand], ColumnElement[bool]]] = {
    "eq": lambda rows, low, high: and_(rows.low >= low, rows.low < high, rows.high < high),
    "ne": lambda rows, low, high: or_(rows.low < low, rows.high >= high),
    "ap": lambda rows, low, high: and_(rows.low <= high, rows.high >= low),
    "gt": lambda rows, low, _: rows.high > low,
    "ge": lambda rows, low, _: rows.high >= low,
    "lt": lambda rows, low, _: rows.low < low,
    "le": lambda rows, low, _: rows.low <= low,
    "sa": lambda rows, low, _: rows.low > low,
    "eb": lambda rows, low, _: rows.high < low,
}
