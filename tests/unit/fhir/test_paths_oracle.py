"""Every official search expression gives what an independent FHIRPath engine gives."""

from __future__ import annotations

import re
from typing import Any

import fhirpathpy
import orjson
import pytest
from fhirpathpy.models import models

from app.fhir import paths
from app.fhir.paths.shapes import shape
from app.fhir.registry import REGISTRY
from tests.support.examples import example

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
