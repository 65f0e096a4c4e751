"""The OpenAPI document is sound, says what the registry says, and forbids nothing legal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import orjson
import pytest
import schemathesis

from app.fhir.capability import Offered
from app.fhir.openapi import document
from app.fhir.paths.shapes import shape
from app.fhir.registry import REGISTRY, Interaction
from tests.support.examples import example

DOCUMENT = document(
    version="1.2.3",
    operations=[
        Offered("validate", "v", instance_level=False),
        Offered("everything", "e", ("Patient",), type_level=False, get=True),
    ],
    without={"Subscription": [Interaction.CREATE]},
)
OPERATIONS = [
    (path, method, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]
ADDRESSES = {
    Interaction.READ: ("/{id}", "get"),
    Interaction.VREAD: ("/{id}/_history/{vid}", "get"),
    Interaction.UPDATE: ("/{id}", "put"),
    Interaction.PATCH: ("/{id}", "patch"),
    Interaction.DELETE: ("/{id}", "delete"),
    Interaction.HISTORY_INSTANCE: ("/{id}/_history", "get"),
    Interaction.HISTORY_TYPE: ("/_history", "get"),
    Interaction.CREATE: ("", "post"),
    Interaction.SEARCH_TYPE: ("", "get"),
}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def at(pointer: str) -> Any:
    node: Any = DOCUMENT
    for token in pointer.removeprefix("#/").split("/"):
        node = node[token]
    return node


def test_every_reference_leads_somewhere_and_nothing_is_left_over() -> None:
    used = set(references(DOCUMENT))
    assert all(at(pointer) for pointer in used)
    kept = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "parameters", "responses")
        for name in DOCUMENT["components"][kind]
    }
    assert kept == used


def test_every_operation_has_its_own_id_and_names_its_path_parameters() -> None:
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(ids) == len(set(ids))
    for path, _, operation in OPERATIONS:
        parameters = [at(parameter["$ref"]) for parameter in operation.get("parameters", [])]
        in_path = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
        assert in_path == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        assert len(parameters) == len({(p["in"], p["name"]) for p in parameters})


@pytest.mark.parametrize("interaction", ADDRESSES)
def test_interactions_are_as_the_registry_has_them(interaction: Interaction) -> None:
    path, method = ADDRESSES[interaction]
    offered = {
        name for name in REGISTRY if method in DOCUMENT["paths"].get(f"/fhir/{name}{path}", {})
    }
    expected = {name for name, entry in REGISTRY.items() if interaction in entry.interactions}
    if interaction is Interaction.CREATE:
        expected.remove("Subscription")
    assert offered == expected


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_search_parameters_are_as_the_registry_has_them(name: str) -> None:
    search = DOCUMENT["paths"][f"/fhir/{name}"]["get"]
    named = {at(parameter["$ref"])["name"] for parameter in search["parameters"]}
    assert set(REGISTRY[name].search) <= named
    assert {"_count", "_sort", "_include"} <= named


def test_operations_stand_where_they_are_offered() -> None:
    paths = DOCUMENT["paths"]
    assert set(paths["/fhir/Task/$validate"]) == {"post"}
    assert set(paths["/fhir/Patient/{id}/$everything"]) == {"get", "post"}
    assert "/fhir/Task/{id}/$validate" not in paths
    assert "/fhir/Task/{id}/$everything" not in paths


def test_tools_can_read_it() -> None:
    schema = schemathesis.openapi.from_dict(orjson.loads(orjson.dumps(DOCUMENT)))
    assert schema.specification.version == "3.1.0"
    assert sum(1 for _ in schema.get_all_operations()) == len(OPERATIONS)


def validator(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    )


@pytest.mark.parametrize("name", [*sorted(REGISTRY), "Bundle", "Parameters", "OperationOutcome"])
def test_schemas_allow_what_is_legal(name: str) -> None:
    check = validator(name)
    for turn in range(11):
        tree = example(shape(name), turn)
        check.validate(tree)
        # A mandatory primitive may be there by its extensions only, and items may be null.
        bare = {key: value for key, value in tree.items() if isinstance(value, (dict, list))}
        check.validate(bare | {"resourceType": name, "_status": {"id": "x"}})
    assert not check.is_valid({"resourceType": "Other"})


def test_schemas_allow_nulls_among_primitives_and_extensions_anywhere() -> None:
    check = validator("Patient")
    check.validate(
        {
            "resourceType": "Patient",
            "name": [{"given": [None, "B"], "_given": [{"id": "x"}, None]}],
            "extension": [{"url": "u", "valueDecimal": 1.5}],
            "contact": [{"extension": [{"url": "u", "valueReference": {"reference": "a/b"}}]}],
            "contained": [{"resourceType": "Anything"}],
        }
    )
    assert not check.is_valid({"resourceType": "Patient", "name": {"given": "B"}})
    assert not check.is_valid({"resourceType": "Patient", "active": "true"})
    assert not check.is_valid({"resourceType": "Patient", "contact": [{"name": []}]})
