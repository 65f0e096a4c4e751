"""FHIRPath Patch: https://hl7.org/fhir/R4/fhirpatch.html.

Values come as ``value[x]``, as a resource, or, where the element has no named type, as nested
parts. A primitive's ``id`` and extensions travel with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from app.core.errors import AppError, Category, Issue
from app.fhir import paths
from app.fhir.json import JSON, Tree
from app.fhir.patch import places
from app.fhir.patch.document import MAX_OPERATIONS, check_depth, copy, refuse
from app.fhir.patch.values import element_value
from app.fhir.paths import Node, Path
from app.fhir.paths.shapes import Slot


def apply(tree: Tree, patch: JSON) -> Tree:
    """The tree after every operation in order; the first that fails refuses them all."""
    operations = _operations(patch)
    changed: Tree = copy(tree)
    for operation in operations:
        _APPLY[operation.type](changed, operation)
    check_depth(changed)
    return changed


@dataclass(frozen=True, slots=True)
class _Operation:
    """One operation; ``value`` is the parameter part that carries the value."""

    number: int
    type: str
    path: Path
    name: str = ""
    value: JSON = None
    index: int = 0
    source: int = 0
    destination: int = 0

    @property
    def expression(self) -> str:
        return f"Parameters.parameter[{self.number}]"

    def refuse(self, code: str, why: str) -> NoReturn:
        refuse(code, f"operation {self.number} ({self.type}): {why}", self.expression)


def _add(tree: Tree, operation: _Operation) -> None:
    parent = _one(operation, operation.path.nodes(tree))
    holder, slots = _elements(operation, parent, operation.name)
    slot, value, sibling = element_value(operation.value, slots, operation.refuse)
    if slot.repeats:
        items = places.items(holder, slot.key)
        places.put(holder, slot.key, [*items, (value, sibling)])
    elif any(key in holder or f"_{key}" in holder for key in slots):
        operation.refuse("business-rule", "the element exists and does not repeat")
    else:
        places.set_value(holder, slot.key, value, sibling)


def _insert(tree: Tree, operation: _Operation) -> None:
    holder, slots = _list(tree, operation)
    slot, value, sibling = element_value(operation.value, slots, operation.refuse)
    items = places.items(holder, slot.key)
    if operation.index > len(items):
        operation.refuse("value", "index is past the end of the list")
    items.insert(operation.index, (value, sibling))
    places.put(holder, slot.key, items)


def _delete(tree: Tree, operation: _Operation) -> None:
    found = operation.path.nodes(tree)
    if found:
        places.remove(_located(operation, found))


def _replace(tree: Tree, operation: _Operation) -> None:
    node = _located(operation, operation.path.nodes(tree))
    owner = node.owner
    shape = owner.shape if owner else None
    if owner is None or shape is None:
        operation.refuse("invalid", "path leads to nothing that can be replaced")
    slots = shape.elements[node.name]
    slot, value, sibling = element_value(operation.value, slots, operation.refuse)
    if node.position is None:
        places.rename(owner.value, node.key, slot.key)
        places.set_value(owner.value, slot.key, value, sibling)
    else:
        items = places.items(owner.value, node.key)
        items[node.position] = (value, sibling)
        places.put(owner.value, node.key, items)


def _move(tree: Tree, operation: _Operation) -> None:
    holder, slots = _list(tree, operation)
    (key,) = slots
    items = places.items(holder, key)
    if operation.source >= len(items) or operation.destination >= len(items):
        operation.refuse("value", "source or destination is past the end of the list")
    items.insert(operation.destination, items.pop(operation.source))
    places.put(holder, key, items)


_APPLY: dict[str, Callable[[Tree, _Operation], None]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}


def _one(operation: _Operation, found: list[Node]) -> Node:
    if len(found) != 1:
        code = "multiple-matches" if found else "not-found"
        operation.refuse(code, f"path finds {len(found)} elements, one is due")
    return found[0]


def _located(operation: _Operation, found: list[Node]) -> Node:
    node = _one(operation, found)
    if node.owner is None:
        operation.refuse("invalid", "path does not lead to an element inside the resource")
    return node


def _elements(
    operation: _Operation, parent: Node, name: str
) -> tuple[dict[str, JSON], dict[str, Slot]]:
    """Where an element goes and the keys that it may have there."""
    holder, shape = places.holder(parent)
    slots = shape.elements.get(name) if shape else None
    if holder is None or shape is None or not slots:
        if holder is not None and shape is not None and name in shape.slots:
            return holder, {name: shape.slots[name]}
        operation.refuse("structure", "the type has no element of this name")
    return holder, dict(slots)


def _list(tree: Tree, operation: _Operation) -> tuple[dict[str, JSON], dict[str, Slot]]:
    """The object that holds the list which a path names, and the list's one key."""
    split = operation.path.split()
    if split is None:
        operation.refuse("invalid", "path does not end in the name of a list")
    parent, name = split
    holder, slots = _elements(operation, _one(operation, parent.nodes(tree)), name)
    if not all(slot.repeats for slot in slots.values()):
        operation.refuse("invalid", "the element is not a list")
    return holder, slots


# The parts that each type of operation must have, and the JSON type of each.
_PARTS: dict[str, dict[str, type]] = {
    "add": {"name": str},
    "insert": {"index": int},
    "delete": {},
    "replace": {},
    "move": {"source": int, "destination": int},
}
_VALUED = ("add", "insert", "replace")


def _operations(patch: JSON) -> list[_Operation]:
    """The operations of a Parameters resource, or every problem with their form."""
    if not isinstance(patch, dict) or patch.get("resourceType") != "Parameters":
        refuse("structure", "a FHIRPath Patch is a Parameters resource")
    given = patch.get("parameter", [])
    if not isinstance(given, list) or not given:
        refuse("required", "no operation", "Parameters.parameter")
    if len(given) > MAX_OPERATIONS:
        refuse("too-costly", f"more than {MAX_OPERATIONS} operations", "Parameters.parameter")
    operations, issues = [], []
    for number, parameter in enumerate(given):
        try:
            operations.append(_operation(number, parameter))
        except AppError as error:
            where = f"Parameters.parameter[{number}]"
            issues += [Issue(i.code, i.diagnostics, where) for i in error.issues]
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return operations


def _operation(number: int, parameter: JSON) -> _Operation:
    if not isinstance(parameter, dict) or parameter.get("name") != "operation":
        refuse("structure", f"operation {number}: the parameter is not named operation")
    parts = _parts(number, parameter)
    type_ = _simple(parts.get("type"))
    if not isinstance(type_, str) or type_ not in _PARTS:
        refuse("value", f"operation {number}: type is none of {' '.join(_PARTS)}")
    problems = []
    simple: dict[str, type] = {"path": str, **_PARTS[type_]}
    values = {name: _simple(parts.get(name)) for name in simple}
    for name, kind in simple.items():
        value = values[name]
        if type(value) is not kind or (isinstance(value, int) and value < 0):
            word = "a string" if kind is str else "an index from 0"
            problems.append(
                Issue("required", f"operation {number} ({type_}): {name} is not {word}")
            )
    if type_ in _VALUED and "value" not in parts:
        problems.append(Issue("required", f"operation {number} ({type_}): value is missing"))
    if problems:
        raise AppError(Category.UNPROCESSABLE, problems)
    path = paths.compile(values.pop("path"))
    value = parts["value"] if type_ in _VALUED else None
    return _Operation(number, type_, path, value=value, **values)


def _parts(number: int, parameter: Tree) -> dict[str, Tree]:
    found: dict[str, Tree] = {}
    given = parameter.get("part")
    for part in given if isinstance(given, list) else ():
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str) or name in found:
            refuse("structure", f"operation {number}: a part has no name of its own")
        found[name] = part
    return found


def _simple(part: Tree | None) -> JSON:
    """The primitive ``value[x]`` of a part."""
    for key, value in (part or {}).items():
        if key.startswith("value"):
            return value
    return None
