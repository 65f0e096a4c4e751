"""Who belongs to what a Consent can name: groups, care teams, roles and organizations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.consent.policy import FOREVER
from app.fhir import primitives
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


def members(tree: Tree, *, id: str) -> tuple[Member, ...]:
    """The memberships that a Group, CareTeam or PractitionerRole states."""
    match tree["resourceType"]:
        case "Group":
            return tuple(_group(tree, f"Group/{id}"))
        case "CareTeam" if tree.get("status") == "active":
            return tuple(_team(tree, f"CareTeam/{id}"))
        case "PractitionerRole" if tree.get("active") is not False:
            return tuple(_role(tree, f"PractitionerRole/{id}"))
    return ()


def _group(tree: Tree, owner: str) -> Iterator[Member]:
    for member in tree.get("member", ()):
        since, until = _period(member.get("period"))
        if member.get("inactive") is True:
            until = since  # was one, at no time that is told
        if named := _named(member.get("entity")):
            yield Member(owner, named, since, until)


def _team(tree: Tree, owner: str) -> Iterator[Member]:
    outer = _period(tree.get("period"))
    for participant in tree.get("participant", ()):
        inner = _period(participant.get("period"))
        if named := _named(participant.get("member")):
            yield Member(owner, named, max(outer[0], inner[0]), min(outer[1], inner[1]))


def _role(tree: Tree, owner: str) -> Iterator[Member]:
    person, period = _named(tree.get("practitioner")), _period(tree.get("period"))
    if person:
        yield Member(owner, person, *period)
        if organization := _named(tree.get("organization")):
            yield Member(organization, person, *period)


def _named(reference: object) -> str | None:
    text = reference.get("reference", "") if isinstance(reference, dict) else ""
    kind, _, id = text.partition("/")
    return text if kind in _NAMED and id and "/" not in id else None


def _period(period: object) -> tuple[int, int]:
    if not isinstance(period, dict):
        return FOREVER
    start, end = period.get("start"), period.get("end")
    return (
        primitives.date_range(start)[0] if start else FOREVER[0],
        primitives.date_range(end)[1] if end else FOREVER[1],
    )
