"""The value that a FHIRPath Patch parameter carries, for the element it is meant for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn, TypeAlias

from app.fhir import definitions
from app.fhir.json import JSON, Tree
from app.fhir.patch import places
from app.fhir.patch.document import copy
from app.fhir.paths.shapes import Shape, Slot, shape

Refuse: TypeAlias = Callable[[str, str], NoReturn]
Filled: TypeAlias = tuple[Slot, JSON, JSON]


def element_value(parameter: Tree, slots: Mapping[str, Slot], refuse: Refuse) -> Filled:
    """The slot that takes the value, the value, and a primitive's sibling or None.

    ``slots`` are the keys that the element may have: one, or one for each type of a choice.
    """
    suffix, value, sibling = _carried(parameter)
    if suffix is not None:
        slot = _slot_of(suffix, value, slots)
        if slot is None:
            refuse("value", "the value is of a type that the element does not take")
        return slot, copy(value), copy(sibling)
    slot = next(iter(slots.values()))
    if "resource" in parameter:
        if slot.type != "Resource":
            refuse("value", "a resource where none is due")
        return slot, copy(parameter["resource"]), None
    inner = (
        shape(slot.home, slot.path)
        if len(slots) == 1 and _kind(slot.type) == "complex-type"
        else None
    )
    if inner is None or not isinstance(parameter.get("part"), list):
        refuse("required", "the value is empty or of no type")
    return slot, _from_parts(parameter["part"], inner, refuse), None


def _carried(parameter: Tree) -> tuple[str | None, JSON, JSON]:
    """The type suffix of ``value[x]``, its value and its sibling."""
    found = {key: v for key, v in parameter.items() if key.startswith(("value", "_value"))}
    keys = {key.removeprefix("_") for key in found}
    if len(keys) != 1:
        return None, None, None
    (key,) = keys
    return key.removeprefix("value"), found.get(key), found.get(f"_{key}")


def _slot_of(suffix: str, value: JSON, slots: Mapping[str, Slot]) -> Slot | None:
    for slot in slots.values():
        if slot.type[:1].upper() + slot.type[1:] == suffix:
            return slot
    # valueString for a code or a date: the format is checked with the rest of the result.
    only = next(iter(slots.values()))
    lenient = (
        len(slots) == 1
        and _kind(only.type) == _kind(suffix[:1].lower() + suffix[1:]) == "primitive-type"
        and not isinstance(value, (dict, list))
    )
    return only if lenient else None


def _kind(type_name: str) -> str | None:
    return definitions.kinds().get(type_name)


def _from_parts(parts: list[JSON], inner: Shape, refuse: Refuse) -> Tree:
    """An object from parts named after its elements."""
    tree: Tree = {}
    for part in parts:
        name = part.get("name") if isinstance(part, dict) else None
        slots = inner.elements.get(name) if isinstance(name, str) else None
        if slots is None:
            refuse("structure", "a part of the value is no element of its type")
        slot, value, sibling = element_value(part, slots, refuse)
        if slot.repeats:
            places.put(tree, slot.key, [*places.items(tree, slot.key), (value, sibling)])
        elif any(key in tree or f"_{key}" in tree for key in slots):
            refuse("structure", "a part of the value is given twice")
        else:
            places.set_value(tree, slot.key, value, sibling)
    if not tree:
        refuse("required", "the value is empty or of no type")
    return tree
