"""What a search found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from app.core.errors import Issue
from app.search.cursor import Position


class Member(NamedTuple):
    """A patient whom a row is about as one of a couple: their id, and the Group's."""

    patient: str
    couple: str


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose rows are: patients (ids) alone, and ``members`` who own them with another."""

    patients: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()

    def but_not(self, told: Whose) -> Whose:
        """Who is named here and not there."""
        known = {*told.patients, *told.members}
        return Whose(
            tuple([each for each in self.patients if each not in known]),
            tuple([e for e in self.members if e not in known and e.patient not in known]),
        )


NOBODY = Whose()


def together(each: Iterable[Whose]) -> Whose:
    """Whose all of them are; who is named alone is named so only."""
    all_ = tuple(each)
    patients = {id for whose in all_ for id in whose.patients}
    members = {m for whose in all_ for m in whose.members if m.patient not in patients}
    return Whose(tuple(sorted(patients)), tuple(sorted(members)))


@dataclass(frozen=True, slots=True)
class Found:
    """A current resource as JSON text; ``updated`` in microseconds.

    ``rid`` is its row number, 0 where its store has none; it never leaves the server. ``whose``
    it is, is told where that was asked for.
    """

    kind: int
    id: str
    version: int
    updated: int
    rid: int
    text: bytes
    whose: Whose = NOBODY


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
