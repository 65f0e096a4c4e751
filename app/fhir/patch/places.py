"""Elements of an object as FHIR counts them: a primitive and its ``_sibling`` are one item.

https://hl7.org/fhir/R4/json.html#primitive. Everything here changes the object it is given.
"""

from __future__ import annotations

from typing import TypeAlias

from app.fhir.json import JSON
from app.fhir.paths.nodes import Node
from app.fhir.paths.shapes import Shape, shape

Item: TypeAlias = tuple[JSON, JSON]


def items(holder: dict[str, JSON], key: str) -> list[Item]:
    """The items of a repeating element, each with its sibling or None."""
    values, siblings = _array(holder.get(key)), _array(holder.get(f"_{key}"))
    size = max(len(values), len(siblings))
    return list(zip(_padded(values, size), _padded(siblings, size), strict=True))


def put(holder: dict[str, JSON], key: str, new: list[Item]) -> None:
    """Set a repeating element; without items it goes."""
    values, siblings = [value for value, _ in new], [sibling for _, sibling in new]
    _set(holder, key, values if any(value is not None for value in values) else None)
    _set(holder, f"_{key}", siblings if any(s is not None for s in siblings) else None)


def set_value(holder: dict[str, JSON], key: str, value: JSON, sibling: JSON) -> None:
    """Set an element that does not repeat."""
    _set(holder, key, value)
    _set(holder, f"_{key}", sibling)


def rename(holder: dict[str, JSON], old: str, new: str) -> None:
    """Give a choice element the key of another type, in the same place."""
    if old != new:
        members = list(holder.items())
        holder.clear()
        holder.update((new if key == old else key, value) for key, value in members)
        holder.pop(f"_{old}", None)


def remove(node: Node) -> None:
    """Take an element away, and every object that is empty without it."""
    owner = node.owner
    if owner is None:
        return
    holder = _object(owner)
    if node.position is None:
        set_value(holder, node.key, None, None)
    else:
        left = items(holder, node.key)
        del left[node.position]
        put(holder, node.key, left)
    if holder:
        return
    if _is_sibling(owner):
        _set_sibling(owner, None)
    else:
        remove(owner)


def holder(node: Node) -> tuple[dict[str, JSON] | None, Shape | None]:
    """The object in which a node's children stand; a primitive's is its sibling."""
    if isinstance(node.value, dict):
        return node.value, node.shape
    if node.owner is None:
        return None, None
    above = _object(node.owner)
    if node.position is None:
        sibling = above.get(f"_{node.key}")
    else:
        sibling = items(above, node.key)[node.position][1]
    if not isinstance(sibling, dict):
        sibling = {}
        _set_sibling(node, sibling)
    return sibling, shape("Element")


def _is_sibling(node: Node) -> bool:
    """Whether it stands for the ``id`` and extensions of a primitive."""
    return node.shape is shape("Element") and node.type != "Element"


def _set_sibling(node: Node, sibling: JSON) -> None:
    if node.owner is None:
        return
    above = _object(node.owner)
    if node.position is None:
        _set(above, f"_{node.key}", sibling)
    else:
        siblings = items(above, node.key)
        siblings[node.position] = (siblings[node.position][0], sibling)
        put(above, node.key, siblings)


def _object(node: Node) -> dict[str, JSON]:
    value: dict[str, JSON] = node.value
    return value


def _array(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []


def _padded(values: list[JSON], size: int) -> list[JSON]:
    return values + [None] * (size - len(values))


def _set(holder: dict[str, JSON], key: str, value: JSON) -> None:
    if value is None:
        holder.pop(key, None)
    else:
        holder[key] = value
