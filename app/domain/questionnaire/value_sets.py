"""``answerValueSet``: membership in value sets, contained ones computed here.

https://hl7.org/fhir/R4/valueset.html. A contained value set is computed when it lists its concepts,
is expanded, or takes in whole code systems that are contained too. Anything else is asked of the
caller, who may know the value set by its address.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from app.core.errors import Severity
from app.domain.questionnaire.definition import Check, Problem, Terminology
from app.fhir.json import JSON, Tree

_STRANGER = Problem("code-invalid", "not in the value set of the item")
_UNKNOWN = Problem("not-supported", "the value set cannot be computed here", Severity.WARNING)


class Members(NamedTuple):
    """Codes by system; ``complete`` where nothing else can be in the value set."""

    codes: frozenset[tuple[str | None, str | None]]
    complete: bool


_NOTHING_KNOWN = Members(frozenset(), complete=False)


class ValueSets:
    """The value sets and code systems that a Questionnaire contains."""

    def __init__(self, questionnaire: Tree) -> None:
        self._contained: dict[str, Tree] = {
            resource.get("id", ""): resource for resource in questionnaire.get("contained", ())
        }
        self._known: dict[str, Members] = {}
        self._systems = {
            resource["url"]: resource
            for resource in self._contained.values()
            if resource.get("resourceType") == "CodeSystem"
            and resource.get("content") == "complete"
            and "url" in resource
        }

    def check(self, canonical: str) -> Check:
        """The check of an ``answerValueSet``."""
        members = self._members(canonical)
        address = canonical
        if self.has(canonical):
            address = self._contained[canonical[1:]].get("url", "")

        def check(key: str, value: JSON, ask: Terminology) -> Problem | None:
            if key != "valueCoding":
                return _STRANGER
            if (value.get("system"), value.get("code")) in members.codes:
                return None
            if members.complete:
                return _STRANGER
            found = ask(address, value) if address else None
            if found is None:
                return _UNKNOWN
            return None if found else _STRANGER

        return check

    def has(self, canonical: str) -> bool:
        """Whether a fragment names a value set that is contained."""
        contained = self._contained.get(canonical[1:]) if canonical.startswith("#") else None
        return contained is not None and contained.get("resourceType") == "ValueSet"

    def _members(self, fragment: str) -> Members:
        """The members of a contained value set; none known where it is none, or holds itself."""
        id_ = fragment.removeprefix("#")
        if id_ in self._known or not self.has(fragment):
            return self._known.get(id_, _NOTHING_KNOWN)
        # Known from here on, so that value sets that take each other in come to an end.
        self._known[id_] = _NOTHING_KNOWN
        self._known[id_] = members = self._computed(self._contained[id_])
        return members

    def _computed(self, value_set: Tree) -> Members:
        if "expansion" in value_set:
            return Members(frozenset(_expanded(value_set["expansion"])), complete=True)
        compose = value_set.get("compose", {})
        parts = [self._part(part) for part in compose.get("include", ())]
        away = [self._part(part) for part in compose.get("exclude", ())]
        codes = frozenset(code for part in parts for code in part.codes)
        if not all(part.complete for part in away):
            # What is taken away is not known, so neither is what stays.
            return _NOTHING_KNOWN
        codes -= frozenset(code for part in away for code in part.codes)
        return Members(codes, bool(parts) and all(part.complete for part in parts))

    def _part(self, part: Tree) -> Members:
        """One include or exclude: all it says must hold of a code."""
        sets: list[Members] = []
        if "system" in part:
            sets.append(self._of_system(part))
        sets += [self._members(canonical) for canonical in part.get("valueSet", ())]
        if not sets or not all(each.complete for each in sets):
            whole = len(sets) == 1
            return Members(sets[0].codes if whole else frozenset(), complete=False)
        return Members(frozenset.intersection(*(each.codes for each in sets)), complete=True)

    def _of_system(self, part: Tree) -> Members:
        system = part["system"]
        if "concept" in part:
            codes = frozenset((system, concept.get("code")) for concept in part["concept"])
            return Members(codes, complete=True)
        definition = self._systems.get(system)
        if definition is None or "filter" in part:
            return _NOTHING_KNOWN
        codes = frozenset((system, code) for code in _codes(definition))
        return Members(codes, complete=True)


def _expanded(node: Tree) -> Iterator[tuple[str | None, str | None]]:
    for concept in node.get("contains", ()):
        if not concept.get("abstract"):
            yield concept.get("system"), concept.get("code")
        yield from _expanded(concept)


def _codes(node: Tree) -> Iterator[str | None]:
    for concept in node.get("concept", ()):
        yield concept.get("code")
        yield from _codes(concept)
