"""Elements: the value of a choice, and those that ``_summary`` and ``_elements`` ask for.

https://hl7.org/fhir/R4/formats.html#choice, https://hl7.org/fhir/R4/search.html#summary.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from app.fhir.json import JSON, Tree
from app.fhir.paths.shapes import Shape, Slot, resource_shape

SUMMARIES = ("true", "text", "data", "count", "false")

SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "subsetted",
}
_ALWAYS = frozenset(("id", "meta"))


def value_of(node: Tree) -> Any:
    """The ``value[x]`` of an extension, a part, an option; None where it has none."""
    return next((value for key, value in node.items() if key.startswith("value")), None)


def subset(tree: Tree, *, summary: str | None = None, elements: Collection[str] = ()) -> Tree:
    """The part of a resource that was asked for, tagged SUBSETTED; the same object if all was.

    ``summary`` is one of ``SUMMARIES`` or None; ``count`` needs no resources, so it leaves them
    whole. ``elements`` are names of top-level elements, a choice by its name without suffix, with
    or without the type (``Patient.name``); what is mandatory or a modifier stays. ``tree`` is a
    valid resource and stays unchanged.
    """
    shape = resource_shape(tree)
    part = tree
    if shape is None:
        return tree
    if summary == "true":
        part = _summarised(part, shape)
    elif summary == "text":
        part = _top(part, shape, lambda slot: slot.name == "text" or slot.element.min > 0)
    elif summary == "data":
        part = _top(part, shape, lambda slot: slot.name != "text")
    if elements:
        names = {name.removeprefix(f"{shape.type}.") for name in elements}
        part = _top(part, shape, lambda slot: _is_due(slot) or not names.isdisjoint(_names(slot)))
    return part if part is tree else _tagged(part)


def _names(slot: Slot) -> tuple[str, str]:
    return (slot.name, slot.key)


def _is_due(slot: Slot) -> bool:
    # Without a modifier the rest would say something else.
    return slot.element.min > 0 or slot.element.modifier


def _top(tree: Tree, shape: Shape, keep: Callable[[Slot], bool]) -> Tree:
    return {
        key: value
        for key, value in tree.items()
        if key == "resourceType"
        or key in _ALWAYS
        or ((slot := shape.slots.get(key.removeprefix("_"))) is not None and keep(slot))
    }


def _summarised(tree: Tree, shape: Shape) -> Tree:
    """What is marked as summary, at every level, and what each level cannot be without."""
    part: Tree = {}
    for key, value in tree.items():
        slot = shape.slots.get(key.removeprefix("_"))
        if key == "resourceType":
            part[key] = value
        elif slot is not None and (slot.element.summary or _is_due(slot)):
            part[key] = value if key.startswith("_") else _inside(value, slot)
    return {key: value for key, value in part.items() if value not in ({}, [])}


def _inside(value: JSON, slot: Slot) -> JSON:
    if isinstance(value, list):
        return [kept for item in value if (kept := _inside(item, slot)) != {}]
    inner = slot.shape(value)
    # An extension is whole or it is nothing.
    return value if inner is None or slot.type == "Extension" else _summarised(value, inner)


def _tagged(tree: Tree) -> Tree:
    meta = tree.get("meta", {})
    tags = meta.get("tag", [])
    if any(
        tag.get("system") == SUBSETTED["system"] and tag.get("code") == SUBSETTED["code"]
        for tag in tags
    ):
        return tree
    return tree | {"meta": meta | {"tag": [*tags, SUBSETTED]}}
