"""The server's own operations are defined where they are offered, and offered as defined."""

from __future__ import annotations

import pytest
from fhir.resources.R4B.operationdefinition import OperationDefinition

from app.fhir.json import dumps
from app.fhir.validation import check
from app.interactions.operations import OPERATIONS
from app.services.instruments import BASE
from app.services.operation_definitions import shipped

SHIPPED = {tree["code"]: tree for tree in shipped()}


@pytest.mark.parametrize("tree", SHIPPED.values(), ids=SHIPPED)
def test_each_is_a_valid_definition(tree):
    assert check(tree, "OperationDefinition") == []
    OperationDefinition.model_validate_json(dumps(tree))
    assert tree["url"] == f"{BASE}/OperationDefinition/{tree['id']}"
    assert tree["id"] == tree["code"]


@pytest.mark.parametrize("tree", SHIPPED.values(), ids=SHIPPED)
def test_each_is_offered_as_it_says(tree):
    operation = OPERATIONS[tree["code"]]
    assert operation.definition == tree["url"]
    assert operation.types == frozenset(tree.get("resource", ()))
    assert operation.system_level == tree["system"]
    assert (operation.type_level, operation.instance_level) == (tree["type"], tree["instance"])
    assert operation.writes or not tree["affectsState"]
    assert operation.get is not tree["affectsState"]


def test_every_operation_of_ours_is_defined():
    ours = {each.name for each in OPERATIONS.values() if each.definition.startswith(BASE)}
    assert ours == SHIPPED.keys() & ours
