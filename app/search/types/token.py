"""token: a code in a system, an identifier, a flag, a telephone number.

https://hl7.org/fhir/R4/search.html#token. ``:not`` takes in what has no value; ``:text``
searches the words beside the code; ``:of-type`` finds an identifier by its type;
``:in :not-in :above :below`` ask a terminology, and are refused where it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from sqlalchemy import ColumnElement

from app.db.tables.indexes import idx_string, idx_token
from app.fhir import definitions
from app.fhir.json import JSON
from app.fhir.paths.nodes import Node
from app.search import tokens
from app.search.escapes import split, unescape
from app.search.expression import Expression, Not, Param, Test
from app.search.folding import LIMIT, fold, prefix_range
from app.search.keys import key
from app.search.tokens import NO_SYSTEM, system_id
from app.search.types import Asked, Refused, Row
from app.search.values import Columns, between

INDEXES = {"": idx_token, ":text": idx_string, ":of-type": idx_token}
MODIFIERS = frozenset(("not", "text", "in", "not-in", "above", "below", "of-type"))
ORDER = "code"

# The value is there, but nothing in it can be asked for by code.
_PRESENT: Row = ("", ("", NO_SYSTEM))


def extract(nodes: Iterable[Node], base: str) -> Iterator[Row]:
    """Code and system of each value, its texts, and identifiers by their type."""
    for node in nodes:
        value = node.value
        if isinstance(value, bool):
            yield "", ("true" if value else "false", NO_SYSTEM)
        elif isinstance(value, str):
            yield "", (key(value), _implied_system(node, value))
        elif isinstance(value, dict):
            yield from _complex(value, node.type)


def _complex(value: JSON, type_name: str | None) -> Iterator[Row]:
    match type_name:
        case "Coding":
            yield from _coding(value)
        case "Identifier":
            yield from _identifier(value)
        case "ContactPoint":
            yield _token(value.get("system"), value.get("value"))
        case _:  # a CodeableConcept, or what is shaped like one
            codings = [c for c in value.get("coding") or () if isinstance(c, dict)]
            for coding in codings:
                yield from _coding(coding)
            if not codings:
                yield _PRESENT
            yield from _text(value.get("text"))


def _token(system: JSON, code: JSON) -> Row:
    if not isinstance(code, str):
        return _PRESENT
    return "", (key(code), system_id(system if isinstance(system, str) else None))


def _coding(value: JSON) -> Iterator[Row]:
    yield _token(value.get("system"), value.get("code"))
    yield from _text(value.get("display"))


def _identifier(value: JSON) -> Iterator[Row]:
    yield _token(value.get("system"), value.get("value"))
    kind, number = value.get("type"), value.get("value")
    if isinstance(kind, dict):
        yield from _text(kind.get("text"))
        for coding in kind.get("coding") or ():
            if isinstance(coding, dict) and isinstance(number, str):
                typed = _type_id(str(coding.get("system", "")), str(coding.get("code", "")))
                yield ":of-type", (key(number), typed)


def _type_id(system: str, code: str) -> int:
    return system_id(f"{system}|{code}")


def _text(text: JSON) -> Iterator[Row]:
    if isinstance(text, str):
        yield ":text", (fold(text)[:LIMIT], text)


def _implied_system(node: Node, code: str) -> int:
    """A ``code`` element says no system: its binding does."""
    if node.type != "code" or node.owner is None or node.owner.shape is None:
        return NO_SYSTEM
    binding = node.owner.shape.slots[node.key].element.binding
    return _system_of(binding[1], code) if binding else NO_SYSTEM


@cache
def _systems(value_set: str) -> tuple[tuple[int, frozenset[str]], ...]:
    systems = definitions.value_set(value_set) or {}
    return tuple((system_id(system), codes) for system, codes in systems.items())


def _system_of(value_set: str, code: str) -> int:
    return next((id for id, codes in _systems(value_set) if code in codes), NO_SYSTEM)


def read(texts: Sequence[str], modifier: str, asked: Asked) -> Expression:
    """Tokens, their absence, their texts, or what a terminology says of them."""
    match modifier:
        case "text":
            starts = dict.fromkeys(fold(unescape(text))[:LIMIT] for text in texts)
            found = tuple(Test("starts", prefix_range(start)) for start in starts)
            return asked.param(found, ":text")
        case "of-type":
            typed = tokens.tests(_of_type(text) for text in texts)
            return asked.param(typed, ":of-type")
        case "in" | "not-in":
            members = _known(texts, asked, modifier)
            return Not(members) if modifier == "not-in" else members
        case "above" | "below":
            return _known(texts, asked, modifier)
    plain = asked.param(tokens.tests(map(_read, texts)))
    return Not(plain) if modifier == "not" else plain


def _read(text: str) -> tuple[int | None, str | None]:
    try:
        system, code = tokens.read(text)
    except ValueError as error:
        raise Refused(str(error)) from None
    return system, code if code is None else key(code)


def _of_type(text: str) -> tuple[int, str]:
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) != 3 or not all(parts[1:]):
        raise Refused("is not of the form system|code|value")
    return _type_id(parts[0], parts[1]), key(parts[2])


def _known(texts: Sequence[str], asked: Asked, modifier: str) -> Param:
    found: list[tuple[int | None, str | None]] = []
    for text in texts:
        members = _members(text, asked, modifier)
        if members is None:
            raise Refused(
                f":{modifier} names codes that this server does not know", code="not-supported"
            )
        found += [(system_id(system), key(code)) for system, code in members]
    return asked.param(tokens.tests(found))


def _members(text: str, asked: Asked, modifier: str) -> Iterable[tuple[str | None, str]] | None:
    if asked.terminology is None:
        return None
    if modifier in ("in", "not-in"):
        return asked.terminology.expand(unescape(text))
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) != 2 or not all(parts):
        raise Refused("is not of the form system|code")
    system, code = parts
    ask = asked.terminology.above if modifier == "above" else asked.terminology.below
    codes = ask(system, code)
    return None if codes is None else [(system, each) for each in codes]


def predicate(rows: Columns, test: Test) -> ColumnElement[bool]:
    """Whether a row of the token index, or of its texts, passes."""
    if test.form == "starts":
        low, high = test.values
        return between(rows.folded, low, high)
    return tokens.predicate(rows, test)
