"""uri: the whole of it, as written; ``:above`` and ``:below`` by the path of a URL.

https://hl7.org/fhir/R4/search.html#uri. A canonical with a version is also found without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import ColumnElement, or_

from app.db.tables.indexes import idx_uri
from app.fhir.paths.nodes import Node
from app.search.escapes import unescape
from app.search.expression import Expression, Test
from app.search.keys import LIMIT, key
from app.search.types import Asked, Refused, Row
from app.search.values import Columns, between, equals, one_of

INDEXES = {"": idx_uri}
MODIFIERS = frozenset(("above", "below"))
ORDER = "value"


def extract(nodes: Iterable[Node], base: str) -> Iterator[Row]:
    """One row for each URI, two for a canonical with a version."""
    for node in nodes:
        if isinstance(node.value, str):
            yield "", (key(node.value),)
            if node.type == "canonical" and "|" in node.value:
                yield "", (key(node.value.partition("|")[0]),)


def read(texts: Sequence[str], modifier: str, asked: Asked) -> Expression:
    """The URIs, those that lead to them, or those below them."""
    values = list(dict.fromkeys(map(unescape, texts)))
    if modifier == "below":
        return asked.param(tuple(Test("below", _below(value)) for value in values))
    if modifier == "above":
        values = [above for value in values for above in _above(value)]
    keys = tuple(key(value) for value in values)
    return asked.param((Test("is", (keys[0] if len(keys) == 1 else keys,)),))


def _below(value: str) -> tuple[str, str, str]:
    """The URL itself and the range of what stands below it; ``0`` follows ``/``."""
    if not value.startswith(("http://", "https://")) or len(value) > LIMIT:
        raise Refused("is not a URL, so nothing is below it")
    stem = value.rstrip("/")
    return stem, f"{stem}/", f"{stem}0"


def _above(value: str) -> list[str]:
    scheme, separator, path = value.partition("://")
    if scheme not in ("http", "https") or len(value) > 8 * LIMIT:
        raise Refused("is not a URL, so nothing is above it")
    segments = path.rstrip("/").split("/")
    stems = [
        f"{scheme}{separator}{'/'.join(segments[:count])}" for count in range(1, len(segments) + 1)
    ]
    return [value, *stems, *(f"{stem}/" for stem in stems[:-1])]


def predicate(rows: Columns, test: Test) -> ColumnElement[bool]:
    """Whether a row of the URI index passes."""
    match test.form, test.values:
        case "is", (value,):
            return one_of(rows.value, value)
        case "below", (stem, low, high):
            return or_(equals(rows.value, stem), between(rows.value, low, high))
    raise AssertionError(test.form)
