"""string: text that starts with the value, without regard to case and accents.

https://hl7.org/fhir/R4/search.html#string. ``:contains`` finds it anywhere in the first 256
characters, ``:exact`` compares whole texts as they are written. The parts of a name or an
address each count, and so does each further word of a part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import ColumnElement, and_

from app.db.tables.indexes import idx_string
from app.fhir.json import JSON
from app.fhir.paths.nodes import Node
from app.search.escapes import unescape
from app.search.expression import Expression, Scalar, Test
from app.search.folding import LIMIT, fold, prefix_range
from app.search.types import Asked, Refused, Row
from app.search.values import ESCAPE, Columns, between, matches, one_of

INDEXES = {"": idx_string}
MODIFIERS = frozenset(("exact", "contains"))
ORDER = "folded"

_PARTS = {
    "HumanName": ("text", "family", "given", "prefix", "suffix"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}


def extract(nodes: Iterable[Node], base: str) -> Iterator[Row]:
    """One row for each text, and for each further word in a name or an address."""
    for node in nodes:
        if isinstance(node.value, str):
            yield from _rows(
                node.value, by_word=node.owner is not None and node.owner.type in _PARTS
            )
        elif isinstance(node.value, dict):
            for text in _texts(node.value, node.type or ""):
                yield from _rows(text, by_word=node.type in _PARTS)


def _rows(text: str, *, by_word: bool) -> Iterator[Row]:
    folded = fold(text)[:LIMIT]
    yield "", (folded, text)
    while by_word and (folded := folded.partition(" ")[2]):
        yield "", (folded, "")


def _texts(value: JSON, type_name: str) -> Iterator[str]:
    for part in _PARTS.get(type_name, ("text",)):
        found = value.get(part)
        for text in found if isinstance(found, list) else [found]:
            if isinstance(text, str):
                yield text


def read(texts: Sequence[str], modifier: str, asked: Asked) -> Expression:
    """Prefixes, or whole texts, or fragments."""
    values = [unescape(text) for text in texts]
    if modifier == "exact":
        folded: tuple[Scalar, ...] = tuple(dict.fromkeys(fold(v)[:LIMIT] for v in values))
        return asked.param((Test("exact", (folded, tuple(values))),))
    # A text that folds to nothing is part of every text.
    starts = list(dict.fromkeys(map(fold, values)))
    if any(len(start) > LIMIT for start in starts):
        raise Refused(f"is longer than {LIMIT} characters")
    if modifier == "contains":
        return asked.param(tuple(Test("contains", (_pattern(start),)) for start in starts))
    return asked.param(tuple(Test("starts", prefix_range(start)) for start in starts))


def _pattern(fragment: str) -> str:
    for special in f"{ESCAPE}%_":
        fragment = fragment.replace(special, ESCAPE + special)
    return f"%{fragment}%"


def predicate(rows: Columns, test: Test) -> ColumnElement[bool]:
    """Whether a row of the string index passes."""
    match test.form, test.values:
        case "starts", (low, high):
            return between(rows.folded, low, high)
        case "contains", (pattern,):
            return matches(rows.folded, pattern)
        case "exact", (folded, exact):
            return and_(one_of(rows.folded, folded), one_of(rows.exact, exact))
    raise AssertionError(test.form)
