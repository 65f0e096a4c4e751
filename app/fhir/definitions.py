"""HL7's R4 definitions, read from ``app/definitions/fhir_r4`` when first asked for.

https://hl7.org/fhir/R4/elementdefinition.html. The tables cover every R4 type; a type is decoded
only when used, so start-up and memory stay small. Nothing here changes after it was loaded.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from app.fhir.json import Tree, parse_resource


@dataclass(frozen=True, slots=True)
class Type:
    """A type that an element may have.

    ``targets`` are the resource types that a Reference or canonical may lead to (none: any);
    ``profile`` is ``SimpleQuantity`` or empty.
    """

    code: str
    targets: tuple[str, ...]
    profile: str


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a type.

    ``path`` leaves out the root: ``item.answer.value[x]``; ``max`` is ``None`` for ``*``;
    ``binding`` is ``(strength, value set)`` where the strength is a binding strength or
    ``maximum``; ``content`` is the full path of the element whose children this one shares;
    ``constraints`` are the keys of its invariants, the universal ele-1 and ext-1 left out.
    """

    path: str
    min: int
    max: int | None
    types: tuple[Type, ...]
    binding: tuple[str, str] | None
    content: str
    constraints: tuple[str, ...]
    summary: bool
    modifier: bool

    @property
    def name(self) -> str:
        """The last step of the path, with ``[x]`` where it is a choice."""
        return self.path.rpartition(".")[2]

    @property
    def parent(self) -> str:
        """The path without its last step."""
        return self.path.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Constraint:
    """An invariant: ``severity`` is ``error`` or ``warning``, ``expression`` is FHIRPath."""

    key: str
    severity: str
    human: str
    expression: str


@dataclass(frozen=True, slots=True)
class Structure:
    """One type: its elements by path, and the invariants that they and its root carry."""

    name: str
    kind: str
    base: str
    abstract: bool
    elements: Mapping[str, Element]
    root_constraints: tuple[str, ...]
    constraints: Mapping[str, Constraint]

    def children(self, path: str = "") -> tuple[Element, ...]:
        """The elements right below a path, in the order of the specification."""
        return tuple(e for e in self.elements.values() if e.parent == path)


@cache
def structure(name: str) -> Structure:
    """The definition of a type; ``KeyError`` where R4 has no such type."""
    row: dict[str, Any] = orjson.loads(_structures()[1][name])
    return Structure(
        name=row["name"],
        kind=row["kind"],
        base=row["base"],
        abstract=row["abstract"],
        elements={cells[0]: _element(cells) for cells in row["elements"]},
        root_constraints=tuple(row["root"]),
        constraints={key: Constraint(key, *cells) for key, cells in row["constraints"].items()},
    )


@cache
def kinds() -> Mapping[str, str]:
    """Every R4 type and its kind: ``primitive-type``, ``complex-type`` or ``resource``."""
    return _structures()[0]


@cache
def resource_types() -> frozenset[str]:
    """Every concrete resource type of R4, served or not."""
    abstract = {"Resource", "DomainResource"}
    return frozenset(n for n, kind in kinds().items() if kind == "resource") - abstract


def value_set(url: str) -> Mapping[str, frozenset[str]] | None:
    """System to codes of a value set that some required binding names, or ``None``.

    ``None`` also where the codes follow a grammar instead of a list: MIME types, UCUM.
    """
    return _codes().get(url)


def search_parameters(type_name: str) -> Mapping[str, Any]:
    """Code to ``[type, expression, targets, components, url]`` as the data file has it."""
    rows: Mapping[str, Any] = _search()[type_name]
    return rows


@cache
def own_search_parameters() -> Mapping[str, Mapping[str, Any]]:
    """What the data file of this project adds to HL7's, by type and code, in the same form."""
    text = files("app.definitions").joinpath("search_parameters.json").read_bytes()
    rows: Mapping[str, Mapping[str, Any]] = orjson.loads(text)
    return rows


@cache
def compartments() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Owner type to member type to the search parameters that make a member."""
    table: dict[str, dict[str, list[str]]] = orjson.loads(_read("compartments.json.gz"))
    return {
        owner: {member: tuple(codes) for member, codes in members.items()}
        for owner, members in table.items()
    }


def conformance() -> Iterator[Tree]:
    """The official StructureDefinitions, SearchParameters and OperationDefinitions served."""
    return map(parse_resource, _read("conformance.ndjson.gz").splitlines())


def terminology() -> Iterator[Tree]:
    """The ValueSets and CodeSystems of HL7 that served types bind."""
    return map(parse_resource, _read("terminology.ndjson.gz").splitlines())


def _element(cells: list[Any]) -> Element:
    path, low, high, types, binding, content, constraints, flags = cells
    return Element(
        path=path,
        min=low,
        max=high or None,
        types=tuple(Type(t[0], tuple(t[1]), t[2] if len(t) > 2 else "") for t in types),
        binding=(binding[0], binding[1]) if binding else None,
        content=content,
        constraints=tuple(constraints),
        summary="s" in flags,
        modifier="m" in flags,
    )


def _read(name: str) -> bytes:
    return gzip.decompress(files("app.definitions").joinpath("fhir_r4", name).read_bytes())


@cache
def _structures() -> tuple[dict[str, str], dict[str, bytes]]:
    # The first line names the types in the order of the lines that follow.
    first, *lines = _read("structures.ndjson.gz").splitlines()
    kinds: dict[str, str] = orjson.loads(first)
    return kinds, dict(zip(kinds, lines, strict=True))


@cache
def _codes() -> dict[str, dict[str, frozenset[str]]]:
    table: dict[str, dict[str, list[str]]] = orjson.loads(_read("codes.json.gz"))
    return {
        url: {system: frozenset(codes) for system, codes in systems.items()}
        for url, systems in table.items()
    }


@cache
def _search() -> dict[str, Any]:
    table: dict[str, Any] = orjson.loads(_read("search.json.gz"))
    return table
