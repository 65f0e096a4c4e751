"""Criteria and orders that the index cannot answer, since what they ask for is not in it.

Texts, numbers and quantities of confidential types are nowhere in clear, and their tokens have no
order. A search for them must be bounded to what one person or one session has; what is bounded so
is opened and searched apart. Whether a search may be made follows from how it is put alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from app.core.errors import AppError, Category
from app.fhir.registry import by_code
from app.search import ranks
from app.search.expression import (
    And,
    Chain,
    Composite,
    Expression,
    Has,
    Missing,
    Not,
    Or,
    Param,
)
from app.search.query import SearchQuery, SortKey
from app.search.secrecy import is_confidential, is_keyed

MOST = 2000  # resources that are opened for one search
_HIDDEN = frozenset(("string", "number", "quantity"))


@dataclass(frozen=True, slots=True)
class Split:
    """A search in two: what the index bounds, and what is asked of what that finds.

    ``asked`` are the parameters that the index cannot answer, ``_sort`` with what it sorts by.
    """

    bounds: SearchQuery
    apart: SearchQuery
    asked: tuple[str, ...]


def split(query: SearchQuery, *, within_own: bool) -> Split | None:
    """The two searches, None where the index answers alone.

    ``within_own`` tells that the caller sees one person's rows only. Raises ``too-costly``.
    """
    items = ranks.criteria(query.where)
    apart = tuple([item for item in items if _is_hidden(item)])
    unordered = [key.code for key in query.sort if _is_unordered(query.kinds[0], key)]
    far = [name for item in items if _reaches_hidden(item) for name in _names(item)]
    near = [name for item in apart for name in _names(item)]
    asked = tuple(dict.fromkeys([*near, *far, *(f"_sort={code}" for code in unordered)]))
    if not apart and not unordered:
        if far:
            raise too_costly(asked)
        return None
    rest = tuple([item for item in items if item not in apart])
    bounded = within_own or any(ranks.rank(item, query.kinds[0]) == ranks.NARROW for item in rest)
    if not bounded or far:
        raise too_costly(asked)
    bare = SearchQuery(kinds=query.kinds, where=And(rest), count=MOST, total="none")
    return Split(bare, replace(query, where=And(apart), includes=(), revincludes=()), asked)


def too_costly(asked: Sequence[str]) -> AppError:
    """The refusal of a search that would have to open too much for what these parameters ask."""
    return AppError.of(
        Category.INVALID,
        "too-costly",
        f"{', '.join(asked)}: this is not indexed for confidential data: name one patient,"
        " encounter or resource and, if it is still too much, a code or a date",
    )


def _names(node: Expression) -> Iterator[str]:
    """The names, as in a search, of the parameters by which a criterion asks for what is hidden."""
    match node:
        case Param(code=code, index=index) if _is_hidden(node):
            yield f"{code}{index}"
        case Composite(code=code) | Missing(code=code) if _is_hidden(node):
            yield code
        case And(items) | Or(items):
            for item in items:
                yield from _names(item)
        case Not(item):
            yield from _names(item)
        case Chain(code=code, targets=targets):
            for _, where in targets:
                yield from (f"{code}.{name}" for name in _names(where))
        case Has(source, code, where):
            yield from (f"_has:{by_code(source).name}:{code}:{name}" for name in _names(where))


def asks_for_hidden(node: Expression) -> bool:
    """Whether a condition, wherever it leads, asks for what is not indexed."""
    return _is_hidden(node) or _reaches_hidden(node)


def _is_hidden(node: Expression) -> bool:
    """Whether a criterion on the row itself asks for what is not indexed."""
    match node:
        case Param(kind, _, type_, _, index):
            return is_confidential(kind) and (type_ in _HIDDEN or index == ":text")
        case Composite(kind, _, types, _):
            return is_confidential(kind) and not _HIDDEN.isdisjoint(types)
        case Missing(kind, code, type_):
            if type_ == "composite":
                components = by_code(kind).search[code].components
                return is_confidential(kind) and components[0].type in _HIDDEN
            return is_confidential(kind) and type_ in _HIDDEN
        case And(items) | Or(items):
            return any(_is_hidden(item) for item in items)
        case Not(item):
            return _is_hidden(item)
    return False


def _reaches_hidden(node: Expression) -> bool:
    """Whether a criterion asks for it of other rows, by way of references."""
    match node:
        case Chain(_, _, targets):
            return any(_is_hidden(where) or _reaches_hidden(where) for _, where in targets)
        case Has(_, _, where):
            return _is_hidden(where) or _reaches_hidden(where)
        case And(items) | Or(items):
            return any(_reaches_hidden(item) for item in items)
        case Not(item):
            return _reaches_hidden(item)
    return False


def _is_unordered(kind: int, key: SortKey) -> bool:
    parameter = by_code(kind).search.get(key.code)
    if parameter is None or by_code(kind).store != "resource":
        return False
    if parameter.type == "token":
        return key.code != "_id" and is_keyed(kind, key.code)
    return is_confidential(kind) and parameter.type in _HIDDEN
