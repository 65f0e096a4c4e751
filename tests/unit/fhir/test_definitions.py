"""The official definitions, as data."""

import re

import pytest

from app.fhir import definitions
from app.fhir.registry import STORED, WIRE_TYPES


def test_every_r4_resource_type_is_known():
    assert len(definitions.resource_types()) == 146
    assert {*STORED, *WIRE_TYPES} <= definitions.resource_types()
    assert definitions.kinds()["Quantity"] == "complex-type"
    assert definitions.kinds()["instant"] == "primitive-type"


def test_every_structure_decodes_and_every_type_it_names_exists():
    for name in definitions.kinds():
        structure = definitions.structure(name)
        for element in structure.elements.values():
            assert element.types or element.content
            assert element.max is None or element.max >= element.min
            for type_ in element.types:
                assert type_.code == "" or type_.code in definitions.kinds()
                assert set(type_.targets) <= definitions.resource_types()


def test_an_element_tells_cardinality_types_targets_binding_and_flags():
    consent = definitions.structure("Consent").elements
    assert (consent["scope"].min, consent["scope"].max) == (1, 1)
    assert consent["category"].max is None
    assert consent["patient"].types[0].targets == ("Patient",)
    assert consent["status"].binding == (
        "required",
        "http://hl7.org/fhir/ValueSet/consent-state-codes",
    )
    assert consent["status"].modifier
    assert consent["status"].summary
    assert [t.code for t in consent["source[x]"].types] == ["Attachment", "Reference"]


def test_shared_content_names_the_element_it_shares():
    response = definitions.structure("QuestionnaireResponse").elements
    assert response["item.answer.item"].content == "QuestionnaireResponse.item"


def test_invariants_come_with_words_expression_and_severity():
    questionnaire = definitions.structure("Questionnaire")
    assert "que-2" in questionnaire.root_constraints
    rule = questionnaire.constraints["que-12"]
    assert rule.severity == "error"
    assert "enableBehavior" in rule.human
    assert "count() > 2" in rule.expression


def test_children_are_in_the_order_of_the_specification():
    period = definitions.structure("Period")
    assert [e.name for e in period.children()] == ["id", "extension", "start", "end"]


def test_a_required_value_set_lists_its_codes():
    codes = definitions.value_set("http://hl7.org/fhir/ValueSet/administrative-gender")
    assert codes == {
        "http://hl7.org/fhir/administrative-gender": frozenset(
            ("male", "female", "other", "unknown")
        )
    }


def test_a_value_set_that_follows_a_grammar_has_no_list():
    assert definitions.value_set("http://hl7.org/fhir/ValueSet/mimetypes") is None


def test_every_required_binding_of_a_served_type_can_be_checked():
    by_rule = {
        "http://hl7.org/fhir/ValueSet/mimetypes",
    }
    for name in (*STORED, *WIRE_TYPES):
        for element in definitions.structure(name).elements.values():
            if element.binding and element.binding[0] == "required":
                url = element.binding[1]
                assert url in by_rule or definitions.value_set(url), (name, element.path)


def test_conformance_resources_cover_what_is_served():
    found = {(r["resourceType"], r["url"]) for r in definitions.conformance()}
    for name in (*STORED, *WIRE_TYPES, "HumanName", "string"):
        url = f"http://hl7.org/fhir/StructureDefinition/{name}"
        assert ("StructureDefinition", url) in found
    for name in STORED:
        for row in definitions.search_parameters(name).values():
            assert ("SearchParameter", row[4]) in found
    assert sum(kind == "OperationDefinition" for kind, _ in found) == 5


@pytest.mark.parametrize("resources", [definitions.conformance, definitions.terminology])
def test_no_resource_carries_narrative_or_content_of_others(resources):
    for resource in resources():
        assert "text" not in resource
        text = str(resource)
        assert not re.search(r"snomed\.info|SNOMED - \d|'identity': '(sct|loinc)", text)
        if resource["resourceType"] in {"ValueSet", "CodeSystem"}:
            assert "loinc.org" not in text


def test_terminology_is_whole_each_system_of_a_value_set_is_there():
    resources = list(definitions.terminology())
    systems = {r["url"] for r in resources if r["resourceType"] == "CodeSystem"}
    for value_set in (r for r in resources if r["resourceType"] == "ValueSet"):
        for include in value_set["compose"]["include"]:
            assert include["system"] in systems
