"""The CapabilityStatement is legal R4 and says what the registry says, no more."""

from __future__ import annotations

import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from app.fhir import json, validation
from app.fhir.capability import Authorization, Offered, capability_statement
from app.fhir.registry import REGISTRY, Interaction

VALIDATE = Offered("validate", "http://hl7.org/fhir/OperationDefinition/Resource-validate")
EVERYTHING = Offered(
    "everything", "http://hl7.org/fhir/OperationDefinition/Patient-everything", ("Patient",)
)
STATEMENT = capability_statement(
    base="https://x.example/fhir",
    operations=[VALIDATE, EVERYTHING],
    authorization=Authorization(
        authorize="https://x.example/oauth/authorize", token="https://x.example/oauth/token"
    ),
    system=[Interaction.BATCH, Interaction.TRANSACTION],
    without={"Subscription": [Interaction.CREATE, Interaction.UPDATE]},
    version="1.2.3",
)
RESOURCES = {resource["type"]: resource for resource in STATEMENT["rest"][0]["resource"]}


def test_it_is_legal_r4() -> None:
    assert validation.check(STATEMENT, "CapabilityStatement") == []
    CapabilityStatement.model_validate_json(json.dumps(STATEMENT))


def test_it_lists_every_served_type_and_no_other() -> None:
    assert list(RESOURCES) == list(REGISTRY)


@pytest.mark.parametrize("name", sorted(set(REGISTRY) - {"Subscription"}))
def test_a_type_is_as_the_registry_has_it(name: str) -> None:
    resource, entry = RESOURCES[name], REGISTRY[name]
    assert {item["code"] for item in resource["interaction"]} == entry.interactions
    assert {(p["name"], p["type"]) for p in resource["searchParam"]} == {
        (parameter.code, parameter.type) for parameter in entry.search.values()
    }
    writable = Interaction.CREATE in entry.interactions
    assert resource["conditionalCreate"] is writable
    assert resource["updateCreate"] is writable
    assert resource["conditionalDelete"] == ("single" if writable else "not-supported")
    assert resource["readHistory"] is (Interaction.VREAD in entry.interactions)


def test_what_is_refused_is_not_listed() -> None:
    codes = {item["code"] for item in RESOURCES["Subscription"]["interaction"]}
    assert {"create", "update"}.isdisjoint(codes)
    assert RESOURCES["Subscription"]["conditionalCreate"] is False
    assert STATEMENT["rest"][0]["interaction"] == [{"code": "transaction"}, {"code": "batch"}]


def test_operations_stand_where_they_are_offered() -> None:
    names = {
        name: {item["name"] for item in resource.get("operation", [])}
        for name, resource in RESOURCES.items()
    }
    assert names["Patient"] == {"validate", "everything"}
    assert names["Task"] == {"validate"}


def test_includes_follow_references_both_ways() -> None:
    assert (
        "QuestionnaireResponse:questionnaire" in RESOURCES["QuestionnaireResponse"]["searchInclude"]
    )
    assert "Observation:derived-from" in RESOURCES["QuestionnaireResponse"]["searchRevInclude"]
    assert "Encounter:patient" not in RESOURCES["Task"]["searchRevInclude"]


def test_legacy_clients_find_the_authorization_server() -> None:
    (extension,) = STATEMENT["rest"][0]["security"]["extension"]
    assert extension == {
        "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
        "extension": [
            {"url": "authorize", "valueUri": "https://x.example/oauth/authorize"},
            {"url": "token", "valueUri": "https://x.example/oauth/token"},
        ],
    }


def test_compartments_are_named_by_their_official_urls() -> None:
    assert STATEMENT["rest"][0]["compartment"] == [
        "http://hl7.org/fhir/CompartmentDefinition/encounter",
        "http://hl7.org/fhir/CompartmentDefinition/patient",
        "http://hl7.org/fhir/CompartmentDefinition/practitioner",
        "http://hl7.org/fhir/CompartmentDefinition/relatedPerson",
    ]


def test_the_software_speaks_of_no_server() -> None:
    statement = capability_statement(base=None, version="1.2.3")
    assert validation.check(statement, "CapabilityStatement") == []
    CapabilityStatement.model_validate_json(json.dumps(statement))
    assert statement["kind"] == "capability"
    assert "implementation" not in statement
    assert statement["url"] in STATEMENT["instantiates"]
    assert statement["url"] not in statement["instantiates"]


def test_without_an_authorization_server_none_is_promised() -> None:
    statement = capability_statement(base="http://127.0.0.1:8000/fhir")
    assert statement["rest"][0]["security"] == {"cors": True}
    assert validation.check(statement, "CapabilityStatement") == []
