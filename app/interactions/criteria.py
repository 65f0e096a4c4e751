"""Queries as pairs, and the criteria of a conditional write.

https://hl7.org/fhir/R4/http.html#cond-update and #ccreate. One reading for requests and for
Bundle entries.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from app.core.errors import AppError, Category
from app.fhir.registry import Interaction
from app.interactions.call import Pairs

MAX_PAIRS = 5000
# What only shapes the answer is never part of a condition.
SHAPING = frozenset(("_format", "_pretty", "_summary", "_elements"))
_BY_CRITERIA = (Interaction.UPDATE, Interaction.PATCH, Interaction.DELETE)


def pairs(query: str | bytes) -> Pairs:
    """The decoded pairs of a query string, in order."""
    try:
        text = query.decode() if isinstance(query, bytes) else query
        return tuple(
            parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PAIRS)
        )
    except ValueError:
        raise AppError.of(
            Category.INVALID, "invalid", "the query is not UTF-8 or has too many parameters"
        ) from None


def condition(
    interaction: Interaction | None,
    *,
    type_name: str | None,
    id: str | None,
    query: Pairs,
    if_none_exist: str | None,
    base: str,
) -> Pairs | None:
    """The criteria of a write, empty where they are due and missing; None: no condition."""
    meant = tuple(pair for pair in query if pair[0] not in SHAPING)
    if interaction in _BY_CRITERIA:
        return meant if id is None else None
    if interaction is not Interaction.CREATE:
        return None
    if if_none_exist is not None:
        return _if_none_exist(if_none_exist, f"{base}/{type_name}", str(type_name))
    return meant or None  # `POST Type?query` says the same as If-None-Exist


def _if_none_exist(text: str, address: str, type_name: str) -> Pairs:
    """The pairs of a query, or of an address of the type with one."""
    head, mark, rest = text.partition("?")
    if not mark or "=" in head:  # the mark is part of a value
        return pairs(text)
    if head.strip().strip("/") not in ("", type_name, address):
        raise AppError.of(
            Category.INVALID, "value", "the condition is about another type than the resource"
        )
    return pairs(rest)
