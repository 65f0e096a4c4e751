"""A value in a resource together with its type and its place."""

from __future__ import annotations

from typing import NamedTuple

from app.fhir import references
from app.fhir.json import JSON
from app.fhir.paths.shapes import Shape, is_a, resource_shape, shape

# The type of an item that resolve() was asked for: only its type may be looked at.
RESOLVED = "$resolved"


class Node(NamedTuple):
    """One item of a collection.

    ``type`` is the declared type (``Quantity``, ``dateTime``), None where unknown. ``key`` is
    the JSON key in ``owner.value``, ``name`` the element's, ``position`` the index where the
    key holds an array. A resource and a computed value have no owner.
    """

    value: JSON
    type: str | None
    shape: Shape | None = None
    owner: Node | None = None
    key: str = ""
    name: str = ""
    position: int | None = None

    @property
    def expression(self) -> str:
        """The FHIRPath of the place: ``Patient.name[0].given[1]``."""
        steps: list[str] = []
        node = self
        while node.owner is not None:
            steps.append(node.name if node.position is None else f"{node.name}[{node.position}]")
            node = node.owner
        steps.append(node.type or "$this")
        return ".".join(reversed(steps))

    def children(self, name: str) -> list[Node]:
        """The items of the element ``name`` below this one."""
        value, shape_ = self.value, self.shape
        if shape_ is None or not isinstance(value, dict):
            return self._untyped(name)
        slots = shape_.elements.get(name)
        if slots is None:
            return []
        found: list[Node] = []
        # A choice of fifty types has one key at most: look from the side that is shorter.
        for key in slots if len(slots) == 1 else value.keys() & slots.keys():
            child = value.get(key)
            if child is None:
                continue
            slot = slots[key]
            if isinstance(child, list):
                found += [
                    Node(item, slot.type, slot.shape(item), self, key, name, position)
                    for position, item in enumerate(child)
                    if item is not None and not isinstance(item, list)
                ]
            else:
                found.append(Node(child, slot.type, slot.shape(child), self, key, name))
        return found

    def _untyped(self, name: str) -> list[Node]:
        """Below a primitive, a reference that was to be resolved, or no R4 type."""
        value = self.value
        if not isinstance(value, dict):
            return self._of_primitive(name)
        child = value.get(name) if self.type != RESOLVED else None
        if child is None:
            return []
        if isinstance(child, list):
            return [
                Node(item, None, None, self, name, name, position)
                for position, item in enumerate(child)
                if item is not None
            ]
        return [Node(child, None, None, self, name, name)]

    def _of_primitive(self, name: str) -> list[Node]:
        """``id`` and ``extension`` of a primitive, which JSON keeps in a sibling ``_key``."""
        if self.owner is None or name not in ("id", "extension"):
            return []
        sibling = self.owner.value.get(f"_{self.key}")
        if self.position is not None:
            in_range = isinstance(sibling, list) and self.position < len(sibling)
            sibling = sibling[self.position] if in_range else None
        if not isinstance(sibling, dict):
            return []
        return self._replace(value=sibling, shape=shape("Element")).children(name)

    def is_of(self, wanted: str) -> bool:
        """Whether it is of a type or one derived from it; by its JSON where that is unknown."""
        if self.type == wanted:
            return True
        if self.type == RESOLVED:
            return is_a(reference_type(self.value) or "", wanted)
        if self.type in (None, "Resource") and isinstance(self.value, dict):
            own = self.value.get("resourceType")
            return wanted[0].isupper() if own is None else is_a(str(own), wanted)
        if self.type is None:
            return not wanted[0].isupper()
        return is_a(self.type, wanted)


def root(value: JSON) -> Node:
    """A resource as the one item that a path starts from."""
    if not isinstance(value, dict):
        return Node(value, None)
    shape_ = resource_shape(value)
    return Node(value, shape_.type if shape_ else None, shape_)


def reference_type(value: JSON) -> str | None:
    """The resource type that a Reference or a reference's text leads to, if it says so."""
    if isinstance(value, dict):
        text, declared = value.get("reference"), value.get("type")
        found = references.parse(text).type if isinstance(text, str) else None
        return found or (declared if isinstance(declared, str) else None)
    return references.parse(value).type if isinstance(value, str) else None
