"""What may be seen, as far as one statement goes; in a shape, with slots for its values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from app.fhir.registry import ENTRIES
from app.search.asker import Asker
from app.search.expression import Expression, Shaper, Value
from app.search.untold import Untold

SHARED_TENANT = 0
SHARED = frozenset(code for code, _, store in ENTRIES if store == "shared")


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to see rows of a type. Its conditions are ANDed; an absent one does not restrict.

    ``compartment`` and ``author`` are an owner's type number and id (or several ids).
    ``within`` is an owner type and what must be true of an owner in whose compartment the row
    is; ``constraint`` what must be true of the row itself. Both are judged on what is stored,
    not on what the caller may see. ``confidentiality`` is the highest level that may be seen,
    ``sensitivity`` the bits of the labels that may be. ``consent`` is what the Consents of those
    whom it is about must say. ``untold`` is what an event of the log is about, if hidden.
    """

    compartment: tuple[int, Value] | None = None
    author: tuple[int, Value] | None = None
    within: tuple[int, Expression] | None = None
    constraint: Expression | None = None
    confidentiality: Value = None
    sensitivity: Value = None
    consent: Asker | None = None
    untold: Untold | None = None

    def shaped(self, shaper: Shaper, known: dict[Any, Any]) -> Alternative:
        """The same with slots; what several ways have in common is ``known`` and the same."""

        def once(part: Any) -> Any:
            if part not in known:
                known[part] = _part(part, shaper)
            return known[part]

        return Alternative(
            compartment=once(self.compartment),
            author=once(self.author),
            within=once(self.within),
            constraint=once(self.constraint),
            confidentiality=shaper.slot(self.confidentiality),
            sensitivity=shaper.slot(self.sensitivity),
            consent=self.consent.shaped(shaper) if self.consent else None,
            untold=self.untold.shaped(shaper) if self.untold else None,
        )


def _part(part: Any, shaper: Shaper) -> Any:
    match part:
        case None:
            return None
        case (kind, str() | tuple() as owner):
            return kind, shaper.slot(owner)
        case (kind, where):
            return kind, shaper.beyond(where)
        case where:
            return shaper.expression(where)


Ways = tuple[Alternative, ...]
# Whose rows a way leads to, labels and other conditions aside.
Reach = tuple[tuple[int, Value] | None, tuple[int, Value] | None, tuple[int, Expression] | None]


def by_reach(ways: Ways) -> dict[Reach, list[Alternative]]:
    """The ways, those to the same rows together."""
    found: dict[Reach, list[Alternative]] = {}
    for way in ways:
        found.setdefault((way.compartment, way.author, way.within), []).append(way)
    return found


@dataclass(frozen=True, slots=True)
class Sight:
    """For each type the ways in which its rows are seen, and those in which they are not.

    ``trusted`` sees every row of the tenant: it judges the conditions of a grant.
    """

    tenant: Value
    grants: tuple[tuple[int, Ways], ...] = ()
    denials: tuple[tuple[int, Ways], ...] = ()
    trusted: bool = False

    def tenant_of(self, kind: int) -> Value:
        """The tenant that has the rows of a type: official definitions are nobody's own."""
        return SHARED_TENANT if kind in SHARED else self.tenant

    def ways(self, kind: int) -> Ways:
        """The ways to see a type; none where it is invisible."""
        if self.trusted:
            return (Alternative(),)
        return next((ways for granted, ways in self.grants if granted == kind), ())

    def barred(self, kind: int) -> Ways:
        """What is withheld of a type whatever its grants say."""
        return next((ways for denied, ways in self.denials if denied == kind), ())


def merged(ways: Ways) -> Ways:
    """The ways with those together that differ in the owner of the compartment only."""
    if len(ways) < 2:
        return ways
    owners: dict[tuple[int, Alternative], list[Value]] = {}
    others: list[Alternative] = []
    for way in ways:
        if way.compartment is None or not isinstance(way.compartment[1], str):
            others.append(way)
        else:
            kind, id = way.compartment
            owners.setdefault((kind, replace(way, compartment=None)), []).append(id)
    together = [
        replace(way, compartment=(kind, ids[0] if len(ids) == 1 else tuple(dict.fromkeys(ids))))  # type: ignore[arg-type]
        for (kind, way), ids in owners.items()
    ]
    return (*others, *together)
