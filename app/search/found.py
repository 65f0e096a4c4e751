"""What a search found."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.errors import Issue
from app.search.cursor import Position


@dataclass(frozen=True, slots=True)
class Found:
    """A current resource as JSON text; ``updated`` in microseconds.

    ``rid`` is its row number, 0 where its store has none; it never leaves the server. ``patients``
    are the ids of those in whose compartments it is, where that was asked for.
    """

    kind: int
    id: str
    version: int
    updated: int
    rid: int
    text: bytes
    patients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One page: matches in order, what goes with them, and where the next page starts.

    ``total`` counts the matches of all pages, None where nobody asked to know; ``issues`` tell
    what was left out.
    """

    matches: tuple[Found, ...] = ()
    includes: tuple[Found, ...] = ()
    total: int | None = None
    next: Position | None = None
    issues: tuple[Issue, ...] = ()
