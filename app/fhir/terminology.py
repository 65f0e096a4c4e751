"""Code systems and value sets: what is in them.

https://hl7.org/fhir/R4/valueset.html#compositions. An expansion needs every code system and value
set that a composition names; whoever asks brings them. What cannot be computed is refused, never
left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

from app.core.errors import AppError, Category
from app.fhir import definitions
from app.fhir.elements import value_of
from app.fhir.json import JSON, Tree

_MOST_NESTED = 20


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept of a code system; ``tree`` is as it was written, ``parents`` are codes."""

    code: str
    display: str | None
    tree: Tree
    parents: tuple[str, ...]

    @property
    def is_abstract(self) -> bool:
        """Whether it only groups others."""
        return self.property("notSelectable") is True or self.property("abstract") is True

    @property
    def is_active(self) -> bool:
        """Whether it may still be used."""
        status = self.property("status")
        return self.property("inactive") is not True and status not in ("retired", "inactive")

    def property(self, code: str) -> JSON:
        """The first value of a property."""
        return next((value for name, value in properties(self.tree) if name == code), None)


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """A code system with its concepts by code, parents before children."""

    url: str
    version: str | None
    name: str
    case_sensitive: bool
    concepts: Mapping[str, Concept]

    def find(self, code: str) -> Concept | None:
        """The concept of a code."""
        found = self.concepts.get(code)
        if found is None and not self.case_sensitive:
            folded = code.casefold()
            found = next((c for c in self.concepts.values() if c.code.casefold() == folded), None)
        return found

    def is_under(self, concept: Concept, ancestor: str) -> bool:
        """Whether a concept is below another; a circle, which nobody should write, ends."""
        seen, waiting = set[str](), list(concept.parents)
        while waiting:
            code = waiting.pop()
            if code == ancestor:
                return True
            if code in self.concepts and code not in seen:
                seen.add(code)
                waiting.extend(self.concepts[code].parents)
        return False


@dataclass(frozen=True, slots=True)
class Member:
    """A code in a value set."""

    system: str
    version: str | None
    code: str
    display: str | None
    designations: tuple[Tree, ...] = ()
    abstract: bool = False
    inactive: bool = False

    def shown(self, language: str | None) -> str | None:
        """The display in a language, where there is one."""
        return translated(self.display, self.designations, language)


FindSystem: TypeAlias = Callable[[str], CodeSystem | None]
FindValueSet: TypeAlias = Callable[[str], Tree | None]


def code_system(tree: Tree) -> CodeSystem:
    """A CodeSystem resource, read."""
    concepts: dict[str, Concept] = {}
    for concept in _concepts(tree.get("concept", ()), ()):
        known = concepts.get(concept.code)
        parents = (*(known.parents if known else ()), *concept.parents)
        concepts[concept.code] = replace(known or concept, parents=tuple(dict.fromkeys(parents)))
    return CodeSystem(
        url=tree.get("url", ""),
        version=tree.get("version"),
        name=tree.get("title") or tree.get("name") or tree.get("url", ""),
        case_sensitive=tree.get("caseSensitive", True),
        concepts=concepts,
    )


def _concepts(trees: Iterable[Tree], above: tuple[str, ...]) -> Iterator[Concept]:
    for tree in trees:
        parents = [value for name, value in properties(tree) if name in ("parent", "subsumedBy")]
        codes = (*above, *(each for each in parents if isinstance(each, str)))
        yield Concept(tree["code"], tree.get("display"), tree, codes)
        yield from _concepts(tree.get("concept", ()), (tree["code"],))


def properties(tree: Tree) -> Iterator[tuple[str, JSON]]:
    """Codes and values of a concept's properties."""
    for each in tree.get("property", ()):
        yield each["code"], value_of(each)


def needs(value_set: Tree) -> tuple[list[str], list[str]]:
    """The canonicals of the code systems and of the value sets that a composition names."""
    systems, value_sets = [], []
    compose = value_set.get("compose", {})
    for part in (*compose.get("include", ()), *compose.get("exclude", ())):
        if "system" in part:
            systems.append(_canonical(part["system"], part.get("version")))
        value_sets.extend(part.get("valueSet", ()))
    return systems, value_sets


def expand(
    value_set: Tree, *, system: FindSystem, other: FindValueSet, depth: int = 0
) -> Sequence[Member]:
    """Every member, in the order of the composition.

    Raises ``unprocessable`` where something that it needs is not known or not supported.
    """
    if depth > _MOST_NESTED:
        raise _refused("processing", "value sets name each other too deep")
    compose = value_set.get("compose")
    if compose is None:
        return list(_expanded(value_set.get("expansion", {}).get("contains", ())))
    included: dict[tuple[str, str], Member] = {}
    for part in compose.get("include", ()):
        for member in _part(part, system=system, other=other, depth=depth):
            included.setdefault((member.system, member.code), member)
    for part in compose.get("exclude", ()):
        for member in _part(part, system=system, other=other, depth=depth):
            included.pop((member.system, member.code), None)
    active = compose.get("inactive", True)
    return [each for each in included.values() if active or not each.inactive]


def _part(part: Tree, *, system: FindSystem, other: FindValueSet, depth: int) -> Iterable[Member]:
    found = None
    if "system" in part:
        canonical = _canonical(part["system"], part.get("version"))
        found = list(_of_system(part, system(canonical)))
    for canonical in part.get("valueSet", ()):
        named = other(canonical)
        if named is None:
            raise _refused("not-found", "a value set that it names is not known")
        members = expand(named, system=system, other=other, depth=depth + 1)
        if found is None:
            found = list(members)
        else:
            keys = {(each.system, each.code) for each in members}
            found = [each for each in found if (each.system, each.code) in keys]
    return found or ()


def _of_system(part: Tree, found: CodeSystem | None) -> Iterator[Member]:
    if "concept" in part:
        for named in part["concept"]:
            known = found.find(named["code"]) if found else None
            yield _member(part["system"], found, known, named)
        return
    if found is None:
        raise _refused("not-found", "a code system that it names is not known")
    tests = [_filter(found, each) for each in part.get("filter", ())]
    for concept in found.concepts.values():
        if all(test(concept) for test in tests):
            yield _member(part["system"], found, concept, concept.tree)


def _member(url: str, found: CodeSystem | None, known: Concept | None, named: Tree) -> Member:
    written = known.tree if known else named
    return Member(
        system=url,
        version=found.version if found else None,
        code=named["code"],
        display=named.get("display") or (known.display if known else None),
        designations=tuple(named.get("designation", ()) or written.get("designation", ())),
        abstract=known is not None and known.is_abstract,
        inactive=known is not None and not known.is_active,
    )


def _filter(found: CodeSystem, given: Tree) -> Callable[[Concept], bool]:
    name, operator, value = given.get("property"), given.get("op"), str(given.get("value"))
    match operator:
        case "is-a" if name in ("concept", "code"):
            return lambda each: each.code == value or found.is_under(each, value)
        case "descendent-of" if name in ("concept", "code"):
            return lambda each: found.is_under(each, value)
        case "is-not-a" if name in ("concept", "code"):
            return lambda each: each.code != value and not found.is_under(each, value)
        case "=":
            return lambda each: _text(each, name) == value
        case "in":
            return lambda each: _text(each, name) in value.split(",")
        case "not-in":
            return lambda each: _text(each, name) not in value.split(",")
        case "exists":
            return lambda each: (_text(each, name) is not None) == (value == "true")
    # A regular expression of a stranger's is not run.
    raise _refused("not-supported", "a filter that it uses is not supported")


def _text(concept: Concept, name: str | None) -> str | None:
    if name in ("concept", "code"):
        return concept.code
    if name == "display":
        return concept.display
    value = concept.property(name or "")
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _expanded(contains: Iterable[Tree]) -> Iterator[Member]:
    for each in contains:
        if "code" in each:
            yield Member(
                system=each.get("system", ""),
                version=each.get("version"),
                code=each["code"],
                display=each.get("display"),
                designations=tuple(each.get("designation", ())),
                abstract=each.get("abstract", False),
                inactive=each.get("inactive", False),
            )
        yield from _expanded(each.get("contains", ()))


def matching(members: Iterable[Member], text: str) -> list[Member]:
    """Members with every word of the text at the start of a word of theirs."""
    words = text.casefold().split()
    return [each for each in members if all(_has(each, word) for word in words)]


def _has(member: Member, word: str) -> bool:
    texts = [member.code, member.display or "", *(d.get("value", "") for d in member.designations)]
    return any(
        part.startswith(word) for text in texts for part in re.split(r"[\s\-/(]+", text.casefold())
    )


def translated(
    display: str | None, designations: Iterable[Tree], language: str | None
) -> str | None:
    """The designation in a language or in its base language, else the display."""
    if language is None:
        return display
    wanted = language.casefold()
    for tag in (wanted, wanted.partition("-")[0]):
        for each in designations:
            if each.get("language", "").casefold() == tag:
                return str(each["value"])
    return display


def packaged(type_name: str, url: str) -> Tree | None:
    """HL7's own code system or value set of a canonical address, without its version."""
    return _packaged().get((type_name, url))


@cache
def _packaged() -> Mapping[tuple[str, str], Tree]:
    return {(tree["resourceType"], tree["url"]): tree for tree in definitions.terminology()}


def _canonical(url: str, version: str | None) -> str:
    return f"{url}|{version}" if version else url


def _refused(code: str, diagnostics: str) -> AppError:
    return AppError.of(Category.UNPROCESSABLE, code, diagnostics, "ValueSet.compose")
