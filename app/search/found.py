"""What a search found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from app.core.errors import Issue
from app.fhir.registry import REGISTRY, by_code
from app.search.cursor import Position

_PATIENT = REGISTRY["Patient"].code


class Member(NamedTuple):
    """A patient whom a row is about as one of several, and what stands for the row in their log.

    That is their couple (``Group/x``), or the row itself (``Type/id``).
    """

    patient: str
    named: str


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose rows are: patients (ids) alone, and ``members`` who own them with another."""

    patients: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()

    def told_of(self, kind: int, id: str) -> Whose:
        """The same as the log tells it of a row: nobody alone who is not alone."""
        if not self.patients or len(self.patients) + len(self.members) < 2:
            return self
        people = {*self.patients, *(each.patient for each in self.members)}
        named = self.members[0].named if self.members else f"{by_code(kind).name}/{id}"
        return Whose((), tuple([Member(each, named) for each in sorted(people)]))

    def but_not(self, told: Whose) -> Whose:
        """Who is named here and not there."""
        known = {*told.patients, *told.members}
        return Whose(
            tuple([each for each in self.patients if each not in known]),
            tuple([e for e in self.members if e not in known and e.patient not in known]),
        )


NOBODY = Whose()


def together(several: Iterable[Whose]) -> Whose:
    """Whose all of them are; who is named alone is named so only."""
    every = tuple(several)
    patients = {id for each in every for id in each.patients}
    members = {m for each in every for m in each.members if m.patient not in patients}
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

    @property
    def told(self) -> Whose:
        """Whose it is, as the log tells it."""
        return self.whose.told_of(self.kind, self.id)


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

    @property
    def whose(self) -> Whose:
        """Whose the rows are, as the log tells it.

        Who is there only because what is another's, or a couple's, names them is one with it:
        that they were found tells that it is there.
        """
        matches = {each.told for each in self.matches}
        if not self.includes:
            return together(matches)
        includes = {(each.kind, each.told) for each in self.includes}
        shown = together([*matches, *(told for _, told in includes)])
        direct = together([*matches, *(told for kind, told in includes if kind != _PATIENT)])
        if direct == NOBODY:
            return shown
        alone = tuple([each for each in shown.patients if each in direct.patients])
        named = [Member(each, f"Patient/{each}") for each in shown.patients if each not in alone]
        known = {each.patient for each in direct.members}
        members = (*direct.members, *(each for each in named if each.patient not in known))
        return Whose(alone, tuple(sorted(members)))
