"""What R4 says may stand in an object: JSON keys and their types, by element name.

https://hl7.org/fhir/R4/json.html. A choice element has one JSON key for each of its types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from app.fhir import definitions
from app.fhir.definitions import Element
from app.fhir.json import JSON


@dataclass(frozen=True, slots=True)
class Slot:
    """One JSON key of an object: what element it carries, and of which type.

    ``home`` and ``path`` tell where the definition of its children is: ``Observation`` and
    ``component``, or the name of a data type and nothing.
    """

    key: str
    type: str
    element: Element
    home: str
    path: str

    @property
    def name(self) -> str:
        """The element's name, without the suffix of a choice."""
        return self.element.name.removesuffix("[x]")

    @property
    def repeats(self) -> bool:
        """Whether the key holds a JSON array."""
        return self.element.max != 1

    def shape(self, value: JSON) -> Shape | None:
        """What may stand inside ``value``; a resource says for itself. None for primitives."""
        if not isinstance(value, dict):
            return None
        return resource_shape(value) if self.type == "Resource" else shape(self.home, self.path)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The slots of an object by JSON key, and the same by element name."""

    type: str
    slots: Mapping[str, Slot]
    elements: Mapping[str, Mapping[str, Slot]]


@cache
def shape(home: str, path: str = "") -> Shape:
    """The shape of a type, or of the element at ``path`` in it."""
    slots = {slot.key: slot for element in _children(home, path) for slot in _slots(home, element)}
    elements: dict[str, dict[str, Slot]] = {}
    for slot in slots.values():
        elements.setdefault(slot.name, {})[slot.key] = slot
    return Shape(type="" if path else home, slots=slots, elements=elements)


def resource_shape(value: Mapping[str, JSON]) -> Shape | None:
    """The shape that a resource's own ``resourceType`` names, or None where R4 has none."""
    name = value.get("resourceType")
    return shape(name) if isinstance(name, str) and name in definitions.kinds() else None


def _children(home: str, path: str) -> tuple[Element, ...]:
    return definitions.structure(home).children(path)


def _slots(home: str, element: Element) -> list[Slot]:
    if element.content:
        owner, _, path = element.content.partition(".")
        return [Slot(element.name, "BackboneElement", element, owner, path)]
    name = element.name.removesuffix("[x]")
    is_choice = name != element.name
    return [
        Slot(
            key=f"{name}{kind.code[0].upper()}{kind.code[1:]}" if is_choice else name,
            type=kind.code,
            element=element,
            home=home if kind.code in _INLINE else kind.code,
            path=element.path if kind.code in _INLINE else "",
        )
        for kind in element.types
    ]


# Elements of these types have their children in the definition around them.
_INLINE = ("BackboneElement", "Element")


@cache
def is_a(type_name: str, wanted: str) -> bool:
    """Whether a type is another or derives from it."""
    while type_name:
        if type_name == wanted:
            return True
        if type_name not in definitions.kinds():
            return False
        type_name = definitions.structure(type_name).base
    return False
