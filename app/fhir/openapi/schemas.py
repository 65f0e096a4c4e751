"""JSON Schemas of R4 types for the OpenAPI document, read off the official definitions.

They tell a client's tools what stands where, and forbid nothing that is legal: primitives may
have siblings and nulls (https://hl7.org/fhir/R4/json.html#primitive), so a mandatory primitive
is not required, and other members are allowed. What is legal is for validation to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app.fhir import definitions
from app.fhir.json import Tree
from app.fhir.paths.shapes import Shape, Slot, shape

_PREFIX = "#/components/schemas/"
_NUMBERS = {
    "boolean": "boolean",
    "decimal": "number",
    "integer": "integer",
    "positiveInt": "integer",
    "unsignedInt": "integer",
}

RESOURCE: Tree = {
    "type": "object",
    "description": "Any resource",
    "required": ["resourceType"],
    "properties": {"resourceType": {"type": "string"}},
}


def reference(name: str) -> Tree:
    """A reference to a schema of the document."""
    return {"$ref": f"{_PREFIX}{name}"}


def schemas(detailed: Iterable[str], outlined: Iterable[str] = ()) -> Mapping[str, Tree]:
    """Schemas by component name: detailed types with all that they contain, others as objects.

    A backbone element's name is its path, ``Observation.component``.
    """
    found: dict[str, Tree] = {"Resource": RESOURCE}
    for name in outlined:
        found[name] = _object(name, {})
    waiting = [(name, "") for name in detailed]
    while waiting:
        home, path = waiting.pop()
        name = _name(home, path)
        if name in found:
            continue
        inner = shape(home, path)
        found[name] = _object(inner.type if _is_resource(home) else "", _properties(inner))
        required = _required(inner)
        if required:
            found[name]["required"] = [*found[name].get("required", []), *required]
        waiting += [(s.home, s.path) for s in inner.slots.values() if _is_complex(s)]
    return dict(sorted(found.items()))


def _object(resource: str, properties: Tree) -> Tree:
    if not resource:
        return {"type": "object", "properties": properties}
    return {
        "type": "object",
        "required": ["resourceType"],
        "properties": {"resourceType": {"const": resource}, **properties},
    }


def _properties(inner: Shape) -> Tree:
    return {key: _property(slot) for key, slot in inner.slots.items()}


def _property(slot: Slot) -> Tree:
    if slot.type == "Resource":
        item = reference("Resource")
    elif _is_complex(slot):
        item = reference(_name(slot.home, slot.path))
    else:
        primitive = _NUMBERS.get(slot.type, "string")
        # In an array a null stands for a value that has only extensions.
        item = {"type": [primitive, "null"] if slot.repeats else primitive}
    return {"type": "array", "items": item} if slot.repeats else item


def _required(inner: Shape) -> list[str]:
    """The keys of mandatory complex elements; a choice has several keys, so none."""
    return [
        key
        for slots in inner.elements.values()
        for key, slot in slots.items()
        if slot.element.min > 0 and len(slots) == 1 and _is_complex(slot)
    ]


def _is_complex(slot: Slot) -> bool:
    return definitions.kinds().get(slot.type) == "complex-type"


def _is_resource(name: str) -> bool:
    return definitions.kinds().get(name) == "resource"


def _name(home: str, path: str) -> str:
    return f"{home}.{path}" if path else home
