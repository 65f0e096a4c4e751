"""A search without its values: what its statements depend on."""

from __future__ import annotations

from dataclasses import dataclass

from app.search.expression import Expression
from app.search.query import SortKey
from app.search.sight import Sight


@dataclass(frozen=True, slots=True)
class Shape:
    """What is searched, by which criteria, in which order and through whose eyes.

    ``start`` is the criterion that a statement starts from, ``starts.REACH``, ``merging.SPREAD``
    or None to go through the type. ``whose`` tells that rows name the patients they are about.
    """

    kinds: tuple[int, ...]
    criteria: tuple[Expression, ...]
    sight: Sight
    sort: tuple[SortKey, ...] = ()
    start: int | None = None
    whose: bool = False
