"""The shipped instruments: valid R4, and exactly what the contract names."""

from __future__ import annotations

import base64
import json
from importlib.resources import files
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from app.core.errors import AppError, Category
from app.domain.questionnaire import compile_questionnaire
from app.domain.reliable_change import norms
from app.domain.rupture import rule_set
from app.domain.scoring import scoring_key
from app.fhir.json import dumps
from app.fhir.validation import check
from app.services.instruments import BASE, definition_in, library, shipped

SHIPPED = {(tree["resourceType"], tree["id"]): tree for tree in shipped()}
ASC = [
    f"{dimension}{number}"
    for dimension, count in {
        "B": 3,
        "G": 3,
        "T": 3,
        "E": 2,
        "S": 3,
        "D": 2,
        "O": 2,
        "V": 2,
        "P": 2,
    }.items()
    for number in range(1, count + 1)
]
LINK_IDS = {
    "asc-client": [*ASC, "X1"],
    "asc-therapist": ASC,
    "asc-pulse": ["B1", "G1", "T1", "S2", "O1"],
    "asc-couple": ["C1", "C2", "C3", "X1"],
    "phq-9": [str(number) for number in range(1, 11)],
    "gad-7": [str(number) for number in range(1, 8)],
    "wai-sr": [str(number) for number in range(1, 13)],
    "srs": ["relationship", "goals", "approach", "overall"],
    "ors": ["individual", "interpersonal", "social", "overall"],
}
ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation"


def questionnaires():
    return [tree for (kind, _), tree in SHIPPED.items() if kind == "Questionnaire"]


def definitions(kind):
    found = [definition_in(tree) for (type_, _), tree in SHIPPED.items() if type_ == "Library"]
    return [definition for definition in found if definition["kind"] == kind]


def ordinals(item):
    return [
        extension["valueDecimal"]
        for option in item["answerOption"]
        for extension in option["valueCoding"].get("extension", ())
        if extension["url"] == ORDINAL
    ]


def arabic(element):
    return [
        part["valueString"]
        for extension in element["extension"]
        if extension["url"] == TRANSLATION
        for part in extension["extension"]
        if part["url"] == "content"
    ]


@pytest.mark.parametrize("tree", SHIPPED.values(), ids=lambda tree: tree["url"])
def test_each_is_a_valid_resource_with_its_canonical_address_and_version(tree):
    model = get_fhir_model_class(tree["resourceType"])
    model.model_validate_json(dumps(tree))
    assert check(tree, tree["resourceType"]) == []
    assert tree["url"] == f"{BASE}/{tree['resourceType']}/{tree['id']}"
    assert tree["version"] == "1.0.0"
    assert tree["status"] == "active"
    if tree["resourceType"] != "SearchParameter":  # which has no such element
        assert tree["copyright"]


def test_the_questionnaires_are_those_of_the_contract():
    assert {tree["id"]: [item["linkId"] for item in tree["item"]] for tree in questionnaires()} == (
        LINK_IDS
    )


@pytest.mark.parametrize("tree", questionnaires(), ids=lambda tree: tree["id"])
def test_a_questionnaire_compiles_and_requires_nothing(tree):
    compile_questionnaire(tree)
    assert tree["subjectType"] == ["Patient"]
    assert b'"required"' not in dumps(tree)


@pytest.mark.parametrize("name", ["asc-client", "asc-therapist", "asc-pulse", "asc-couple"])
def test_the_original_instrument_speaks_arabic_everywhere_and_says_it_is_not_validated(name):
    tree = SHIPPED["Questionnaire", name]
    assert "Not validated" in tree["description"]
    assert "CC BY 4.0" in tree["copyright"]
    assert arabic(tree["_title"])
    assert arabic(tree["_description"])
    for item in tree["item"]:
        assert arabic(item["_text"])
        for option in item["answerOption"]:
            assert arabic(option["valueCoding"]["_display"])
        assert ordinals(item) == ([] if item["linkId"] == "X1" else [0, 1, 2, 3, 4])


def test_the_private_question_is_yes_no_or_rather_not_say():
    (item,) = [i for i in SHIPPED["Questionnaire", "asc-client"]["item"] if i["linkId"] == "X1"]
    codes = [option["valueCoding"]["code"] for option in item["answerOption"]]
    assert codes == ["yes", "no", "rather-not-say"]


@pytest.mark.parametrize("name", ["wai-sr", "srs", "ors"])
def test_a_licensed_instrument_carries_no_item_text(name):
    assert all("text" not in item for item in SHIPPED["Questionnaire", name]["item"])


@pytest.mark.parametrize("name", ["phq-9", "gad-7"])
def test_the_free_instruments_carry_loinc_codes_and_its_notice(name):
    tree = SHIPPED["Questionnaire", name]
    assert "LOINC is copyright" in tree["copyright"]
    assert "No permission required" in tree["copyright"]
    for item in tree["item"]:
        assert item["code"][0]["system"] == "http://loinc.org"
        assert item["text"]
        assert ordinals(item) == ([] if item["linkId"] == "10" else [0, 1, 2, 3])


def test_answer_options_are_the_concepts_of_their_code_systems():
    concepts = {
        (tree["url"], concept["code"]): concept["display"]
        for (kind, _), tree in SHIPPED.items()
        if kind == "CodeSystem"
        for concept in tree["concept"]
    }
    for tree in questionnaires():
        for item in tree["item"]:
            for option in item.get("answerOption", ()):
                coding = option["valueCoding"]
                if coding["system"] != "http://loinc.org":
                    assert concepts[coding["system"], coding["code"]] == coding["display"]


def test_every_instrument_has_a_key_for_its_items_and_the_range_of_its_answers():
    keys = {key.instrument: key for key in map(scoring_key, definitions("scoring-key"))}
    assert keys.keys() == LINK_IDS.keys()
    scales = {concept["code"] for concept in SHIPPED["CodeSystem", "alliance-scale"]["concept"]}
    for tree in questionnaires():
        key = keys[tree["id"]]
        assert key.questionnaire == f"{tree['url']}|{tree['version']}"
        assert {scale.code for scale in key.scales} <= scales
        items = {item["linkId"]: item for item in tree["item"]}
        assert set(key.items) == {id for id in items if id != "X1"} - (
            {"10"} if tree["id"] == "phq-9" else set()
        )
        for link_id in key.items:
            if items[link_id]["type"] == "choice":
                values = ordinals(items[link_id])
                assert (min(values), max(values)) == (key.range.low, key.range.high)


def test_the_live_rules_are_those_of_the_contract():
    rules = {
        rule_set(each).url.rpartition("/")[2]: rule_set(each)
        for each in definitions("rupture-rules")
    }
    assert {
        name: (each.instrument, each.against, each.scale, [live.rule for live in each.rules])
        for name, each in rules.items()
    } == {
        "srs-ruptures": ("srs", None, "total", ["below-cutoff", "step-drop"]),
        "wai-sr-ruptures": ("wai-sr", None, "total", ["v-episode", "trailing-baseline"]),
        "asc-client-ruptures": ("asc-client", None, "core", ["v-episode", "trailing-baseline"]),
        "asc-pulse-ruptures": ("asc-pulse", None, "total", ["v-episode", "trailing-baseline"]),
        "asc-congruence-ruptures": ("asc-client", "asc-therapist", "core", ["congruence-gap"]),
    }
    episode: Any
    baseline: Any
    episode, baseline = (live.parameters for live in rules["asc-client-ruptures"].rules)
    assert (episode.drop, episode.tolerance, episode.window) == (10, 3, 3)
    assert episode.reference == "maximum"
    assert (baseline.k, baseline.floor, baseline.minPrior) == (1, 8, 3)
    cutoff: Any
    step: Any
    cutoff, step = (live.parameters for live in rules["srs-ruptures"].rules)
    assert (cutoff.cutoff, cutoff.inclusive, step.drop) == (36, False, 1)


def test_norm_sets_name_their_source():
    for definition in definitions("norms"):
        for each in norms(definition).sets:
            assert each.source


def test_a_library_carries_the_definition_byte_for_byte():
    file = files("app.definitions") / "instruments" / "scoring" / "asc-client.json"
    tree = SHIPPED["Library", "asc-client-scoring"]
    assert base64.b64decode(tree["content"][0]["data"]) == file.read_bytes()
    assert tree["relatedArtifact"] == [
        {"type": "depends-on", "resource": f"{BASE}/Questionnaire/asc-client|1.0.0"}
    ]


@pytest.mark.parametrize(
    "spoil, code, place",
    [
        (lambda tree: tree.pop("content"), "required", "Library.content"),
        (lambda tree: tree["content"][0].update(data="e30="), "code-invalid", "Library.content"),
        (lambda tree: tree["content"][0].update(data="ew=="), "structure", "Library.content.data"),
        (lambda tree: tree["content"][0].update(data="e"), "value", "Library.content.data"),
        (lambda tree: tree.update(version="2"), "invariant", "Library.version"),
    ],
)
def test_a_library_without_a_sound_definition_is_refused(spoil, code, place):
    document = {"kind": "norms", "url": f"{BASE}/Library/x-norms", "version": "1", "name": "X"}
    document |= {"title": "x", "description": "x", "copyright": "x"}
    tree = library(json.dumps(document).encode())
    assert definition_in(tree) == document
    spoil(tree)
    with pytest.raises(AppError) as refusal:
        definition_in(tree)
    assert refusal.value.category is Category.UNPROCESSABLE
    assert [(issue.code, issue.expression) for issue in refusal.value.issues] == [(code, place)]
