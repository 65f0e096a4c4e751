"""JSON that loses nothing: strict in, verbatim out.

https://hl7.org/fhir/R4/json.html. Numbers with a fraction or exponent arrive as
``LosslessFloat`` (their own text), so ``1.50`` and 25 digits survive. Duplicate keys, NaN,
lone surrogates, a byte order mark and deep nesting are refused.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, TypeAlias

import jiter
import orjson

from app.core.errors import AppError, Category

JSON: TypeAlias = Any
Tree: TypeAlias = dict[str, Any]
Number = jiter.LosslessFloat

MAX_DEPTH = 100


def parse(text: bytes) -> JSON:
    """The value of a JSON text, or an ``invalid`` error that names line and column."""
    try:
        value = jiter.from_json(
            text,
            allow_inf_nan=False,
            catch_duplicate_keys=True,
            float_mode="lossless-float",
        )
    except ValueError as error:
        raise AppError.of(Category.INVALID, "structure", f"not JSON: {_reason(error)}") from None
    # Depth can only exceed the limit where there are that many opening brackets.
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise AppError.of(
            Category.INVALID, "structure", f"not JSON: nested deeper than {MAX_DEPTH}"
        )
    return value


def parse_resource(text: bytes) -> Tree:
    """The object of a JSON text that must be one."""
    value = parse(text)
    if not isinstance(value, dict):
        raise AppError.of(Category.INVALID, "structure", "not a JSON object")
    return value


def parse_stored(text: bytes) -> Tree:
    """The object of a text that this server stored: ``parse`` let it in, so it is not looked at."""
    tree: Tree = jiter.from_json(
        text, allow_inf_nan=False, float_mode="lossless-float", cache_mode="keys"
    )
    return tree


def dumps(value: JSON, *, pretty: bool = False) -> bytes:
    """Compact JSON; numbers keep the text they came with."""
    return _dumped(value, orjson.OPT_INDENT_2 if pretty else 0)


def _ordered(value: JSON) -> bytes:
    """The text of a value with the members of every object in one order."""
    return _dumped(value, orjson.OPT_SORT_KEYS)


def _dumped(value: JSON, option: int) -> bytes:
    try:
        return orjson.dumps(value, default=_plain, option=option)
    except TypeError:  # an integer past 64 bits
        return orjson.dumps(_wide(value), default=_plain, option=option)


def number(text: str) -> jiter.LosslessFloat:
    """A number that is written exactly as ``text``."""
    return jiter.LosslessFloat(text.encode())


def is_decimal(value: JSON) -> bool:
    """Whether a value is a JSON number."""
    return isinstance(value, (int, jiter.LosslessFloat)) and not isinstance(value, bool)


def to_decimal(value: int | jiter.LosslessFloat) -> Decimal:
    """The exact decimal of a JSON number."""
    return Decimal(str(value))


def same(left: JSON, right: JSON) -> bool:
    """Equal as FHIR content: member order aside, ``1.50`` is not ``1.5``."""
    return left is right or _ordered(left) == _ordered(right)


def equal(left: JSON, right: JSON) -> bool:
    """Equal as JSON: member order aside, numbers by value, so ``1.50`` is ``1.5``."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if is_decimal(left) and is_decimal(right):
        return to_decimal(left) == to_decimal(right)
    return type(left) is type(right) and bool(left == right)


def _reason(error: ValueError) -> str:
    # The parser quotes the duplicate key, which the client chose: say only where it is.
    reason = str(error)
    place = re.search(r" at line \d+ column \d+$", reason)
    if reason.startswith("Detected duplicate key"):
        reason = "duplicate key" + (place.group() if place else "")
    return reason


def _depth(value: JSON) -> int:
    deepest, level = 0, [value]
    while level:
        deepest += 1
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if deepest > MAX_DEPTH:
            break
    return deepest


def _wide(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {key: _wide(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_wide(child) for child in value]
    if isinstance(value, int) and value.bit_length() > 63:
        return number(str(value))
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, (jiter.LosslessFloat, Decimal)):
        return orjson.Fragment(str(value))
    if isinstance(value, (bytes, bytearray)):
        return orjson.Fragment(bytes(value))
    raise TypeError(f"not JSON: {type(value).__name__}")
