"""Resources with every element that R4 gives them, made from the definitions.

They have the right shape, not the right sense: for what looks at structure only.
"""

from __future__ import annotations

from typing import Any

from app.fhir.paths.shapes import Shape, shape

PRIMITIVES: dict[str, Any] = {
    "boolean": True,
    "integer": 3,
    "positiveInt": 2,
    "unsignedInt": 0,
    "decimal": 5,
    "date": "2024-05",
    "dateTime": "2024-05-06T07:08:09Z",
    "instant": "2024-05-06T07:08:09.123Z",
    "time": "10:11:12",
    "base64Binary": "AAAA",
    "xhtml": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>',
}
CODES = {
    "system": ["email", "phone", "http://x"],
    "type": ["composed-of", "depends-on", "derived-from", "predecessor", "successor"],
}


def example(shape_: Shape, turn: int, depth: int = 4) -> dict[str, Any]:
    """An object with every element, each choice in the type whose turn it is."""
    tree: dict[str, Any] = {"resourceType": shape_.type} if depth == 4 else {}
    for name, slots in shape_.elements.items():
        slot = list(slots.values())[turn % len(slots)]
        if slot.type == "Resource" or (depth < 4 and name == "extension"):
            continue
        if slot.type in PRIMITIVES:
            value = PRIMITIVES[slot.type]
        elif (inner := shape(slot.home, slot.path)).elements.keys() == {"id", "extension", "value"}:
            value = CODES.get(name, [f"{name}-{turn}"])[turn % len(CODES.get(name, "x"))]
        elif slot.type == "Extension":
            value = {"url": f"http://x/{turn}", "valueString": "e"}
        elif depth <= 0 and slot.element.min == 0:
            continue
        else:
            value = example(inner, turn, depth - 1)
            if slot.type == "Reference":
                value["reference"] = ["Patient/1", "Practitioner/2", "Group/3"][turn % 3]
        if value != {}:
            tree[slot.key] = (
                [value, value]
                if slot.repeats and turn % 2
                else ([value] if slot.repeats else value)
            )
    return tree
