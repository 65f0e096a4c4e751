"""A search as it was understood: criteria, order, and what the answer should hold.

https://hl7.org/fhir/R4/search.html#return.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.core.errors import Issue
from app.search.expression import EVERYTHING, Expression

Total = Literal["none", "estimate", "accurate"]
Summary = Literal["true", "text", "data", "count", "false"]


@dataclass(frozen=True, slots=True)
class SortKey:
    """A parameter to sort by; ``kind`` is the type whose parameter it is."""

    code: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Include:
    """``source:code:target``, either way; ``code`` None is every reference of the type.

    ``source`` is the type that refers, None where any may. ``target`` narrows what is
    included, or for ``_revinclude`` which of the rows are referred to.
    """

    source: int | None
    code: str | None
    target: int | None = None
    iterate: bool = False


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What to search and how to answer.

    ``kinds`` are the types searched; ``used`` the parameters that were, for the self link;
    ``warnings`` tell what was ignored. ``count`` is the page size asked for, capped; 0 asks
    for the total only.
    """

    kinds: tuple[int, ...]
    where: Expression = EVERYTHING
    sort: tuple[SortKey, ...] = ()
    count: int = 20
    total: Total | None = None
    summary: Summary | None = None
    elements: tuple[str, ...] = ()
    includes: tuple[Include, ...] = ()
    revincludes: tuple[Include, ...] = ()
    used: tuple[tuple[str, str], ...] = ()
    warnings: tuple[Issue, ...] = ()

    @property
    def only_total(self) -> bool:
        """Whether the answer is a number."""
        return self.count == 0 or self.summary == "count"
