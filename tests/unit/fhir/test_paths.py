"""Paths select by declared type, know their place, and refuse what they do not know."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import AppError, Category
from app.fhir import json, paths

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "name": [
        {"use": "official", "family": "Stone", "given": ["Ann", None, "Bea"]},
        {"use": "usual", "given": ["Annie"], "_given": [{"extension": [{"url": "u"}]}]},
    ],
    "telecom": [{"system": "phone", "value": "1", "rank": 2}, {"system": "email", "value": "2"}],
    "birthDate": "1990-01-01",
    "_birthDate": {"id": "b", "extension": [{"url": "t", "valueDateTime": "1990-01-01T01:00:00Z"}]},
    "_gender": {"extension": [{"url": "absent", "valueCode": "unknown"}]},
    "deceasedBoolean": False,
    "generalPractitioner": [
        {"reference": "Practitioner/1"},
        {"reference": "https://x.example/fhir/Organization/2/_history/1"},
        {"type": "Practitioner", "identifier": {"value": "3"}},
        {"reference": "urn:uuid:0"},
    ],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Inner"}],
    "extension": [
        {"url": "a", "valueQuantity": {"value": json.number("1.50")}},
        {"url": "b", "valueString": "x"},
    ],
}


@pytest.mark.parametrize(
    "expression, values",
    [
        ("Patient.name.given", ["Ann", "Bea", "Annie"]),
        ("name.given", ["Ann", "Bea", "Annie"]),
        ("Patient.name[1].given[0]", ["Annie"]),
        ("Patient.name[7]", []),
        ("Patient.name.first().given.last()", ["Bea"]),
        ("Patient.name.where(use = 'official').family", ["Stone"]),
        ("Patient.name.where(use != 'official').given", ["Annie"]),
        ("Patient.name.where(family.exists()).use", ["official"]),
        ("Patient.name.where(family.empty()).use", ["usual"]),
        ("Patient.name.where(family.exists().not()).use", ["usual"]),
        ("Patient.telecom.where(system='phone' and rank = 2.0).value", ["1"]),
        ("Patient.telecom.where(system='phone' or system='email').value", ["1", "2"]),
        ("Patient.telecom.where(rank = 2 and missing = 1).value", []),
        ("Patient.telecom.where(rank = 2 or missing = 1).value", ["1"]),
        ("Patient.telecom.exists(value = '2')", [True]),
        ("Patient.telecom.where($this.value = '2').system", ["email"]),
        ("Patient.deceased", [False]),
        ("Patient.deceased.exists() and Patient.deceased != false", [False]),
        ("Patient.deceased.ofType(boolean)", [False]),
        ("Patient.deceased as dateTime", []),
        ("Patient.extension.value as Quantity", [{"value": json.number("1.50")}]),
        ("Patient.extension.value.as(FHIR.string)", ["x"]),
        ("Patient.extension.value is String", [False]),
        ("Patient.extension('b').value", ["x"]),
        ("Patient.extension('a').value.value = 1.5", [True]),
        ("Patient.birthDate.extension('t').value", ["1990-01-01T01:00:00Z"]),
        ("Patient.birthDate.id", ["b"]),
        ("Patient.gender", []),
        ("Patient.name.given.extension.url", ["u"]),
        ("Patient.birthDate.hasValue()", [True]),
        ("Patient.name.hasExtension('u')", [False]),
        ("Patient.contained.name", ["Inner"]),
        ("Patient.contained.where($this is Organization).id", ["o"]),
        ("Patient.contained.ofType(DomainResource).id", ["o"]),
        ("DomainResource.id", ["p"]),
        ("Observation.id", []),
        ("Patient.name.family | Patient.name.family", ["Stone"]),
        ("Patient.name.family | Patient.birthDate | Patient.none", ["Stone", "1990-01-01"]),
        (
            "Patient.generalPractitioner.where(resolve() is Practitioner)",
            [PATIENT["generalPractitioner"][0], PATIENT["generalPractitioner"][2]],
        ),
        (
            "Patient.generalPractitioner.resolve().ofType(Organization)",
            [PATIENT["generalPractitioner"][1]],
        ),
        ("Patient.generalPractitioner.resolve().reference", []),
        ("Patient.`name`.`use`", ["official", "usual"]),
        ("'it\\'s \\u0041'", ["it's A"]),
        ("-1 = -1.0", [True]),
        ("'1' = 1", [False]),
        ("true = 1", [False]),
        ("Patient.name = Patient.name", [True]),
        ("Patient.valueSet", []),
        ("Patient.name.given.family", []),
    ],
)
def test_select(expression: str, values: list[Any]) -> None:
    found = paths.compile(expression).select(PATIENT)
    assert json.same(found, values)
    assert [type(value) for value in found] == [type(value) for value in values]


@pytest.mark.parametrize(
    "expression, types",
    [
        ("Patient.birthDate", ["date"]),
        ("Patient.deceased", ["boolean"]),
        ("Patient.name", ["HumanName", "HumanName"]),
        ("Patient.extension.value", ["Quantity", "string"]),
        ("Patient.telecom.rank", ["positiveInt"]),
        ("Patient.contained.name", ["string"]),
    ],
)
def test_declared_types(expression: str, types: list[str]) -> None:
    assert [kind for kind, _ in paths.compile(expression).select_typed(PATIENT)] == types


def test_places() -> None:
    nodes = paths.compile("Patient.name.given | Patient.deceased | Patient.extension.value").locate(
        PATIENT
    )
    assert [(node.expression, node.key, node.position) for node in nodes] == [
        ("Patient.name[0].given[0]", "given", 0),
        ("Patient.name[0].given[2]", "given", 2),
        ("Patient.name[1].given[0]", "given", 0),
        ("Patient.deceased", "deceasedBoolean", None),
        ("Patient.extension[0].value", "valueQuantity", None),
        ("Patient.extension[1].value", "valueString", None),
    ]
    assert nodes[0].owner is not None
    assert nodes[0].owner.value is PATIENT["name"][0]
    assert paths.compile("Patient.name.exists() | Patient").locate(PATIENT) == []


def test_a_path_starts_from_a_node_of_another() -> None:
    observation = {
        "resourceType": "Observation",
        "component": [{"code": {"text": "a"}, "valueQuantity": {"value": 1}}],
    }
    (component,) = paths.compile("Observation.component").nodes(observation)
    value = paths.compile("value.as(Quantity) | value.as(Range)")
    assert value.select_typed(component) == [("Quantity", {"value": 1})]
    assert value.nodes(component)[0].expression == "Observation.component[0].value"


def test_children_by_content_reference_are_typed() -> None:
    response = {
        "resourceType": "QuestionnaireResponse",
        "item": [{"item": [{"answer": [{"valueDate": "2024", "item": [{"linkId": "x"}]}]}]}],
    }
    node = paths.compile("QuestionnaireResponse.item.item.answer").nodes(response)[0]
    assert paths.compile("value").select_typed(node) == [("date", "2024")]
    assert paths.compile("item.linkId").select_typed(node) == [("string", "x")]


def test_split_gives_the_parent_and_the_element() -> None:
    split = paths.compile("Patient.name[0].given").split()
    assert split is not None
    parent, name = split
    assert (parent.select(PATIENT), name) == ([PATIENT["name"][0]], "given")
    assert paths.compile("Patient.name[0]").split() is None


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "Patient.",
        "Patient.name.descendants()",
        "Patient.repeat(item)",
        "Patient.name.where()",
        "Patient.name.where(a, b)",
        "Patient.name.first(1)",
        "Patient.name[-1]",
        "Patient.name[1.0]",
        "Patient.name[",
        "Patient.name given",
        "Patient.name as Nonsense",
        "Patient.name as",
        "'open",
        "Patient.name > 1",
        "Patient + 1",
        "%resource",
        "@2024",
        "(" * 30 + "a" + ")" * 30,
        "a.where(" * 30 + "b" + ")" * 30,
        "a" * 10_001,
        "a | | b",
        "٣",
    ],
)
def test_what_is_refused(expression: str) -> None:
    with pytest.raises(AppError) as refused:
        paths.compile(expression)
    assert refused.value.category is Category.UNPROCESSABLE


TOKENS = "Patient name given value .where( exists() = != and or ( ) [0] . | 'x' 1 true as is $this"
broken_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "given", "value", "valueQuantity", "_given", "resourceType"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(st.sampled_from(TOKENS.split()), max_size=12), broken_trees)
def test_any_text_compiles_or_is_refused_and_then_never_fails(
    tokens: list[str], tree: dict[str, Any]
) -> None:
    try:
        path = paths.compile(" ".join(tokens))
    except AppError:
        return
    path.select_typed(tree)
    path.select(PATIENT)
    [node.expression for node in path.locate(PATIENT)]


def test_a_long_chain_needs_no_deep_stack() -> None:
    with pytest.raises(AppError):
        paths.compile(".".join(["a"] * 4000))
    assert paths.compile(" | ".join(["Patient.id"] * 100)).select(PATIENT) == ["p"]
