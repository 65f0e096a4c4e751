"""Nothing that R4 publishes is forgotten, and problems are told whole and discreetly."""

import re

import pytest

from app.core.errors import Severity
from app.fhir import definitions, invariants
from app.fhir.json import Tree, parse_resource
from app.fhir.registry import STORED, WIRE_TYPES
from app.fhir.validation import check
from app.fhir.validation.bindings import code_test, concept_test
from app.fhir.validation.shapes import shape
from app.fhir.validation.walk import MAX_ISSUES
from tests.unit.fhir.corpus import BASES, cases, merged

SERVED = (*STORED, *WIRE_TYPES)


def constraints():
    for name in definitions.kinds():
        for constraint in definitions.structure(name).constraints.values():
            yield name, constraint


def test_every_constraint_of_r4_has_a_function_or_is_walked():
    missing = []
    for name, constraint in constraints():
        if constraint.key not in invariants.WALKED:
            try:
                invariants.rule(name, constraint.key)
            except KeyError:
                missing.append((name, constraint.key))
    assert missing == []


def test_every_rule_of_severity_error_is_broken_by_a_forbidden_resource():
    keys = {constraint.key for _, constraint in constraints() if constraint.severity == "error"}
    said = {
        issue.diagnostics.partition(":")[0]
        for case in cases("forbidden")
        for issue in check(case["tree"], case["tree"]["resourceType"])
    }
    assert keys - said == set()


def test_no_function_stands_for_a_constraint_that_is_not_there():
    published = {key for name, c in constraints() for key in (c.key, f"{name}.{c.key}")}
    assert set(invariants.RULES) <= published


@pytest.mark.parametrize("name", SERVED)
def test_every_required_binding_is_tested(name):
    for element in definitions.structure(name).elements.values():
        if element.binding and element.binding[0] in {"required", "maximum"}:
            for type_ in element.types:
                if type_.code == "code":
                    assert code_test(name, element) is not None, element.path
                elif type_.code == "CodeableConcept":
                    assert concept_test(element) is not None, element.path


def test_official_definitions_keep_every_rule():
    for resource in (*definitions.conformance(), *definitions.terminology()):
        assert check(resource, resource["resourceType"]) == []


def test_every_problem_is_told_at_once():
    tree = {
        "resourceType": "Consent",
        "status": "granted",
        "category": [],
        "nickname": "x",
        "patient": {"reference": "Device/1"},
        "dateTime": "2024-02-30",
        "provision": {"period": {"start": "2025", "end": "2024"}, "actor": [{}]},
    }
    assert [(issue.code, issue.expression) for issue in check(tree, "Consent")] == [
        ("code-invalid", "Consent.status"),
        ("structure", "Consent.category"),
        ("structure", "Consent.nickname"),
        ("value", "Consent.patient"),
        ("value", "Consent.dateTime"),
        ("invariant", "Consent.provision.period"),
        ("invariant", "Consent.provision.actor[0]"),
        ("required", "Consent.provision.actor[0].role"),
        ("required", "Consent.provision.actor[0].reference"),
        ("required", "Consent.scope"),
        ("invariant", "Consent"),
    ]


@pytest.mark.parametrize("name", SERVED)
def test_words_hold_no_values(name):
    canary = "Canary7 \u0000"
    values = [canary, [canary], {"reference": canary}, {"text": [canary]}, {"coding": [canary]}]
    for member in shape(name).members:
        for value in values:
            issues = check({**BASES[name], member: value}, name)
            assert issues
            assert not any("Canary" in issue.diagnostics for issue in issues)


def test_the_type_must_be_the_one_that_was_asked_for():
    assert check({"resourceType": "Group"}, "Patient")[0].expression == "Patient"
    assert check({}, "Patient")[0].code == "structure"
    assert check({"active": True}, "Patient")[0].code == "structure"
    assert check({"resourceType": ["Patient"]}, "Patient")[0].code == "structure"
    assert check({"resourceType": "Client"}, "Client")[0].code == "structure"


def test_a_reference_by_search_is_for_transactions():
    tree = merged(BASES["Observation"], {"subject": {"reference": "Patient?identifier=a|1"}})
    assert check(tree, "Observation")[0].expression == "Observation.subject"
    assert check(tree, "Observation", conditional=True) == []
    tree["subject"]["reference"] = "Practitioner?identifier=a|1"
    assert check(tree, "Observation", conditional=True)[0].expression == "Observation.subject"
    entry = {"resource": tree, "request": {"method": "POST", "url": "Observation"}}
    tree["subject"]["reference"] = "Patient?identifier=a|1"
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert check(bundle, "Bundle") == []
    bundle["type"] = "batch"
    assert check(bundle, "Bundle")[0].expression == "Bundle.entry[0].resource.subject"


def test_a_bundle_can_be_looked_at_without_its_entries():
    request = {"method": "POST", "url": "Patient"}
    wrong = {"resourceType": "Patient", "nickname": "x"}
    bundle: Tree = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": wrong, "request": request}],
    }
    assert check(bundle, "Bundle")[0].expression == "Bundle.entry[0].resource.nickname"
    assert check(bundle, "Bundle", entries=False) == []
    bundle["total"] = 1
    bundle["entry"] = [{"resource": {"resourceType": "Client"}, "request": request}, {"link": []}]
    assert [issue.expression for issue in check(bundle, "Bundle", entries=False)] == [
        "Bundle.entry[0].resource",
        "Bundle.entry[1].link",
        "Bundle.entry[1]",
        "Bundle",
        "Bundle",
    ]


def test_warnings_come_when_asked_for_and_only_then():
    tree = merged(BASES["Questionnaire"], {"name": "my form"})
    assert check(tree, "Questionnaire") == []
    issues = check(tree, "Questionnaire", warnings=True)
    assert {issue.severity for issue in issues} == {Severity.WARNING}
    assert [issue.diagnostics[:5] for issue in issues] == ["que-0", "dom-6"]


def test_a_problem_list_without_status_is_a_warning():
    system = "http://terminology.hl7.org/CodeSystem/condition-category"
    tree = merged(
        BASES["Condition"],
        {"category": [{"coding": [{"system": system, "code": "problem-list-item"}]}]},
    )
    said = [issue.diagnostics for issue in check(tree, "Condition", warnings=True)]
    assert any(words.startswith("con-3:") for words in said)


def test_the_list_of_problems_ends_somewhere():
    tree = {"resourceType": "Patient", "name": [{"x": 1}] * (2 * MAX_ISSUES)}
    issues = check(tree, "Patient")
    assert len(issues) == MAX_ISSUES + 1
    assert issues[-1].code == "too-long"
    assert issues[-1].severity is Severity.INFORMATION


def test_depth_is_no_danger():
    item: Tree = {"linkId": "x", "type": "string"}
    for level in range(5000):
        item = {"linkId": str(level), "type": "group", "item": [item]}
    tree = {"resourceType": "Questionnaire", "status": "draft", "item": [item]}
    assert [issue.code for issue in check(tree, "Questionnaire")] == ["too-long"]


def test_strings_end_at_a_mebi_character():
    tree = {"resourceType": "Organization", "name": "x" * (1024 * 1024)}
    assert check(tree, "Organization") == []
    tree["name"] += "x"
    assert check(tree, "Organization")[0].expression == "Organization.name"


def test_expressions_are_fhirpath():
    step = r"[A-Za-z][A-Za-z0-9]*(\[[0-9]+\])?"
    for case in cases("forbidden"):
        for issue in check(case["tree"], case["tree"]["resourceType"]):
            assert re.fullmatch(rf"{step}(\._?{step})*", issue.expression)


def test_the_tree_is_left_as_it_was():
    text = b'{"resourceType":"Patient","name":[{"given":[null],"_given":[{"id":"a"}]}],"x":1.50}'
    tree = parse_resource(text)
    check(tree, "Patient")
    assert str(tree) == str(parse_resource(text))
