"""Who belongs to what a Consent can name: groups, care teams, roles and organizations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.consent.policy import FOREVER
from app.fhir import primitives, references
from app.fhir.json import Tree

_NAMED = frozenset(
    (
        "Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Organization", "Group",
        "CareTeam",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """``member`` belongs to ``owner`` from ``since`` until before ``until``, in microseconds."""

    owner: str
    member: str
    since: int
    until: int


def members(tree: Tree, *, id: str, base: str) -> tuple[Member, ...]:
    """The memberships that a Group, CareTeam or PractitionerRole states.

    ``base`` is the own base URL: a member is meant however the reference is written.
    """
    match tree["resourceType"]:
        case "Group":
            return tuple(_group(tree, f"Group/{id}", base))
        case "CareTeam" if tree.get("status") == "active":
            return tuple(_team(tree, f"CareTeam/{id}", base))
        case "PractitionerRole" if tree.get("active") is not False:
            return tuple(_role(tree, f"PractitionerRole/{id}", base))
    return ()


def _group(tree: Tree, owner: str, base: str) -> Iterator[Member]:
    for member in tree.get("member", ()):
        since, until = _period(member.get("period"))
        if member.get("inactive") is True:
            until = since  # was one, at no time that is told
        if named := _named(member.get("entity"), base):
            yield Member(owner, named, since, until)


def _team(tree: Tree, owner: str, base: str) -> Iterator[Member]:
    outer = _period(tree.get("period"))
    for participant in tree.get("participant", ()):
        inner = _period(participant.get("period"))
        if named := _named(participant.get("member"), base):
            yield Member(owner, named, max(outer[0], inner[0]), min(outer[1], inner[1]))


def _role(tree: Tree, owner: str, base: str) -> Iterator[Member]:
    person, period = _named(tree.get("practitioner"), base), _period(tree.get("period"))
    if person:
        yield Member(owner, person, *period)
        if organization := _named(tree.get("organization"), base):
            yield Member(organization, person, *period)


def _named(reference: object, base: str) -> str | None:
    named = references.local(reference, base)
    return named if named is not None and named.partition("/")[0] in _NAMED else None


def _period(period: object) -> tuple[int, int]:
    if not isinstance(period, dict):
        return FOREVER
    start, end = period.get("start"), period.get("end")
    return (
        primitives.date_range(start)[0] if start else FOREVER[0],
        primitives.date_range(end)[1] if end else FOREVER[1],
    )
