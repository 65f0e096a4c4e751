"""Every official search expression gives what an independent FHIRPath engine gives."""

from __future__ import annotations

import re
from typing import Any

import fhirpathpy
import orjson
import pytest
from fhirpathpy.models import models

from app.fhir import paths
from app.fhir.paths.shapes import Shape, shape
from app.fhir.registry import REGISTRY

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
        elif depth == 0:
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


EXPRESSIONS = sorted(
    {
        (name, parameter.expression)
        for name, entry in REGISTRY.items()
        for parameter in entry.search.values()
        if parameter.expression
    }
)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_agrees_with_the_oracle(name: str) -> None:
    trees = [example(shape(name), turn) for turn in range(11)]
    found = 0
    for owner, expression in EXPRESSIONS:
        if owner != name or "resolve()" in expression or "hasExtension" in expression:
            continue  # the oracle does not know these
        ours = paths.compile(expression)
        # The oracle's ``as`` takes one item; search expressions mean ``ofType``.
        theirs = re.sub(r" as (\w+)|\.as\((\w+)\)", r".ofType(\1\2)", expression)
        # Nor does it take a resource for a Resource.
        theirs = re.sub(r"\b(Domain)?Resource\.", f"{name}.", theirs)
        oracle: Any = fhirpathpy.compile(theirs, models["r4"])
        values = [(_bag(ours.select(tree)), _bag(oracle(tree))) for tree in trees]
        assert all(mine == its for mine, its in values), expression
        # And the examples have what is looked for.
        assert any(mine for mine, _ in values) or "extension(" in expression, expression
        found += 1
    assert found > 5


def _bag(values: list[Any]) -> set[bytes]:
    # The oracle's union leaves out equal values; ours keeps each place.
    return {orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str) for value in values}


def test_every_official_expression_compiles() -> None:
    components = {
        component.expression
        for entry in REGISTRY.values()
        for parameter in entry.search.values()
        for component in parameter.components
    }
    assert len(EXPRESSIONS) > 400
    for expression in components | {expression for _, expression in EXPRESSIONS}:
        paths.compile(expression)
