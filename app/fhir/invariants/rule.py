"""What invariants are made of.

A rule takes the element that the invariant stands on (a JSON object; for an element of primitive
type, its value) and says whether it holds. ``exists`` means what FHIRPath means: an element is
there also when it has extensions only, under its underscored name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, TypeAlias

from app.fhir.json import JSON, Tree, is_decimal, to_decimal
from app.fhir.primitives import date_range

Rule: TypeAlias = Callable[[Any], bool]

UCUM = "http://unitsofmeasure.org"
_FAR = 14 * 3_600_000_000  # microseconds: how far from UTC a zone can be


def exists(node: Tree, name: str) -> bool:
    """Whether an element is there, be it with extensions only."""
    return name in node or "_" + name in node


def chosen(node: Tree, name: str) -> str | None:
    """The JSON name under which a choice such as ``value[x]`` is there: ``valueCoding``."""
    for key in node:
        bare = key.lstrip("_")
        if bare.startswith(name) and bare[len(name) : len(name) + 1].isupper():
            return bare
    return None


def each(node: Tree, *path: str) -> Iterator[Any]:
    """The values at a path of element names, arrays flattened; ``None`` in arrays left out."""
    found: list[Any] = [node]
    for name in path:
        found = [
            item
            for parent in found
            if isinstance(parent, dict) and name in parent
            for item in (parent[name] if isinstance(parent[name], list) else (parent[name],))
            if item is not None
        ]
    return iter(found)


def distinct(values: Iterable[Any]) -> bool:
    """Whether no value comes twice."""
    seen = list(values)
    return len(set(seen)) == len(seen)


def has_code(node: Tree, name: str, *, system: str, codes: tuple[str, ...]) -> bool:
    """Whether a CodeableConcept holds one of the codes."""
    return any(
        coding.get("system") == system and coding.get("code") in codes
        for coding in each(node, name, "coding")
    )


def needs(name: str, *others: str) -> Rule:
    """Where ``name`` is, one of the others must be."""
    return lambda node: not exists(node, name) or any(exists(node, other) for other in others)


def some(*names: str) -> Rule:
    """At least one of these must be there."""
    return lambda node: any(exists(node, name) for name in names)


def at_most_one(*names: str) -> Rule:
    """These exclude each other."""
    return lambda node: sum(exists(node, name) for name in names) <= 1


def exactly_one(*names: str) -> Rule:
    """Just one of these must be there."""
    return lambda node: sum(exists(node, name) for name in names) == 1


def never(name: str, values: tuple[str, ...], *forbidden: str) -> Rule:
    """These must not be there where ``name`` has one of the values."""
    return lambda node: node.get(name) not in values or not any(exists(node, f) for f in forbidden)


def not_later(start: str, end: str) -> bool:
    """Whether a date may be at or before another, as far as their precision tells."""
    first, last = date_range(start)[0], date_range(end)[1]
    # A date has no zone: beside a time it may be any day that is this day somewhere.
    slack = _FAR if ("T" in start) != ("T" in end) else 0
    return first < last + slack


def magnitude(node: Tree, name: str) -> Decimal | None:
    """The number at ``name``, if there is one."""
    value: JSON = node.get(name)
    return to_decimal(value) if is_decimal(value) else None


def comparable(left: Tree, right: Tree) -> bool:
    """Whether two quantities are in the same unit."""
    if "code" in left or "code" in right:
        return all(left.get(key) == right.get(key) for key in ("system", "code"))
    return left.get("unit") == right.get("unit")


def for_kind(kind: str, *, needed: tuple[str, ...] = (), barred: tuple[str, ...] = ()) -> Rule:
    """What a capability statement of one kind needs and must not have."""
    return lambda node: (
        node.get("kind") != kind
        or (
            all(exists(node, name) for name in needed)
            and not any(exists(node, name) for name in barred)
        )
    )
