"""A resource to its index rows, its compartments and its authors.

https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/R4/compartmentdefinition.html. What is
to be looked for is compiled once for each type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from app.fhir import paths
from app.fhir.json import Tree
from app.fhir.paths.nodes import Node, root
from app.fhir.paths.shapes import shape
from app.fhir.registry import REGISTRY, SearchParameter
from app.search.expression import Scalar
from app.search.parameters import TYPES, index_number
from app.search.sources.resource import FIRST, LAST
from app.search.types import ParameterType

# Kept in ``resource`` itself.
_IN_ROW = frozenset(("_id", "_lastUpdated"))
_AUTHORED = frozenset(
    ("author", "asserter", "informant", "performer", "recorder", "requester", "sender", "source")
)
_AUTHORS = frozenset(
    ("Patient", "RelatedPerson", "Practitioner", "PractitionerRole", "Organization", "CareTeam")
)

# The definitions leave these out: a couple is whom its records are about, a task is somebody's.
_OWNED = (("subject", "Group"), ("patient", "Patient"))
_GROUP = REGISTRY["Group"].code

_Rows = dict[str, list[dict[str, Any]]]
_Write = Callable[[Node, str, _Rows], None]


@dataclass(frozen=True, slots=True)
class Indexed:
    """Index rows by table name, without tenant and row number; owners, authors by type and id."""

    rows: Mapping[str, list[dict[str, Any]]]
    compartments: frozenset[tuple[int, str]]
    authors: frozenset[tuple[int, str]]


def index(tree: Tree, type_name: str, *, id: str, base: str) -> Indexed:
    """What to write beside a resource; ``base`` is the own base URL, without a slash at its end.

    ``id`` is its logical id, which the tree need not have yet.
    """
    plan = _plan(type_name)
    rows: _Rows = {}
    start = root(tree)
    for keys, write in plan.writes:
        if keys is None or not keys.isdisjoint(tree):
            write(start, base, rows)
    owners = {(plan.kind, id)} if plan.is_owner or plan.kind == _GROUP else set()
    references = [row for row in rows.get("idx_reference", ()) if row["target_kind"]]
    for row in references:
        if row["target_kind"] in plan.memberships.get(row["param"], ()):
            owners.add((row["target_kind"], row["target_id"]))
    return Indexed(rows, frozenset(owners), _authors(plan, rows))


def authors(tree: Tree, type_name: str, *, base: str) -> frozenset[tuple[int, str]]:
    """The type and id of each author that ``index`` finds."""
    plan = _plan(type_name)
    rows: _Rows = {}
    for keys, write in plan.authored:
        if keys is None or not keys.isdisjoint(tree):
            write(root(tree), base, rows)
    return _authors(plan, rows)


def _authors(plan: _Plan, rows: _Rows) -> frozenset[tuple[int, str]]:
    return frozenset(
        (row["target_kind"], row["target_id"])
        for row in rows.get("idx_reference", ())
        if row["param"] in plan.authorships and row["target_kind"] in _AUTHOR_KINDS
    )


_AUTHOR_KINDS = frozenset(REGISTRY[name].code for name in _AUTHORS)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to do for a type.

    Each write has the JSON keys without which it would find nothing (None: it always looks).
    ``memberships`` are the reference parameters that make owners, of which types;
    ``authorships`` those that name authors, ``authored`` what to do for these.
    """

    kind: int
    writes: tuple[tuple[frozenset[str] | None, _Write], ...]
    authored: tuple[tuple[frozenset[str] | None, _Write], ...]
    is_owner: bool
    memberships: Mapping[int, frozenset[int]]
    authorships: frozenset[int]


@cache
def _plan(type_name: str) -> _Plan:
    entry = REGISTRY[type_name]
    memberships: dict[int, set[int]] = {}
    for owner, codes in entry.compartments.items():
        if owner in REGISTRY:
            for code in codes:
                number = index_number(entry.code, code)
                memberships.setdefault(number, set()).add(REGISTRY[owner].code)
    for code, owner in _OWNED:
        if code in entry.search and (type_name == "Task" or owner == "Group"):
            number = index_number(entry.code, code)
            memberships.setdefault(number, set()).add(REGISTRY[owner].code)
    authored = {
        code: parameter
        for code, parameter in entry.search.items()
        if code in _AUTHORED and parameter.type == "reference"
    }
    return _Plan(
        kind=entry.code,
        writes=tuple(
            (_keys(type_name, parameter), _writer(entry.code, parameter))
            for code, parameter in entry.search.items()
            if code not in _IN_ROW
        ),
        authored=tuple(
            (_keys(type_name, parameter), _writer(entry.code, parameter))
            for parameter in authored.values()
        ),
        is_owner=any(type_name in members.compartments for members in REGISTRY.values()),
        memberships={number: frozenset(owners) for number, owners in memberships.items()},
        authorships=frozenset(index_number(entry.code, code) for code in authored),
    )


def _keys(type_name: str, parameter: SearchParameter) -> frozenset[str] | None:
    """The members of a resource that an expression reads first, as far as its text tells."""
    text = parameter.expression
    if "exists()" in text:  # has a value also where nothing is
        return None
    found = re.findall(rf"\b(?:{type_name}|Resource)\.(\w+){_OF_TYPE}", text)
    if parameter.components and re.search(rf"\b{type_name}(?!\.)", text):
        found += re.findall(rf"(?:^|\| )(\w+){_OF_TYPE}", parameter.components[-1].expression)
    elements = shape(type_name).elements
    return frozenset(
        key
        for name, *types in found
        for key, slot in elements[name].items()
        if not any(types) or slot.type in types
    )


_OF_TYPE = r"(?: as (\w+)|\.as\((\w+)\))?"


def _writer(kind: int, parameter: SearchParameter) -> _Write:
    path = paths.compile(parameter.expression)
    if parameter.type == "composite":
        components = [
            (
                paths.compile(component.expression),
                _Writer(kind, f"{parameter.code}${number}", TYPES[component.type]),
            )
            for number, component in enumerate(parameter.components)
        ]
        return partial(_write_composite, path, components)
    return partial(_write, path, _Writer(kind, parameter.code, TYPES[parameter.type]))


class _Writer:
    """Turns the values of one parameter into rows."""

    def __init__(self, kind: int, code: str, type_: ParameterType) -> None:
        self.extract = type_.extract
        self._indexes = {
            name: (
                table.name,
                index_number(kind, code, name),
                tuple(c.name for c in table.columns if c.name not in _FRAME),
            )
            for name, table in type_.INDEXES.items()
        }
        self._order = self._indexes[""][2].index(type_.ORDER)

    def whole(self, nodes: Iterable[Node], base: str, rows: _Rows) -> None:
        """The rows of a plain parameter, without repetition, the ends of their order marked."""
        found = dict.fromkeys(self.extract(nodes, base))
        sortable = [row for row in found if not row[0] and _sorts(row[1], self._order)]
        if len(found) == len(sortable) == 1:
            self._add("", sortable[0][1], FIRST + LAST, rows)
            return
        first = min(sortable, key=self._key, default=None)
        last = max(sortable, key=self._key, default=None)
        for row in found:
            position = (FIRST if row is first else 0) + (LAST if row is last else 0)
            self._add(row[0], row[1], position, rows)

    def component(self, node: Iterable[Node], base: str, position: int, rows: _Rows) -> None:
        """The rows of one component of the value at a position."""
        for name, values in dict.fromkeys(self.extract(node, base)):
            if not name:
                self._add(name, values, position, rows)

    def _key(self, row: tuple[str, tuple[Scalar, ...]]) -> Any:
        return row[1][self._order]

    def _add(self, name: str, values: tuple[Scalar, ...], position: int, rows: _Rows) -> None:
        table, number, columns = self._indexes[name]
        others = rows.setdefault(table, [])
        row: dict[str, Any] = {"param": number, "n": len(others), "position": position}
        row.update(zip(columns, values, strict=True))
        others.append(row)


_FRAME = frozenset(("tenant", "rid", "param", "n", "position"))


def _sorts(values: tuple[Scalar, ...], order: int) -> bool:
    # Not: that a value is there at all, and the further words of a name.
    return values[order] != "" and values[-1] != ""


def _write(path: paths.Path, writer: _Writer, start: Node, base: str, rows: _Rows) -> None:
    nodes = path.nodes(start)
    if nodes:
        writer.whole(nodes, base, rows)


def _write_composite(
    path: paths.Path,
    components: list[tuple[paths.Path, _Writer]],
    start: Node,
    base: str,
    rows: _Rows,
) -> None:
    for position, value in enumerate(path.nodes(start)):
        found = [(component.nodes(value), writer) for component, writer in components]
        if all(nodes for nodes, _ in found):
            for nodes, writer in found:
                writer.component(nodes, base, position, rows)
