"""References are read, found and rewritten by the specification's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fhir.json import Tree
from app.fhir.references import Reference, parse, places, references, rewrite

BASE = "https://here.example/fhir"
A = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
B = "urn:uuid:b3d8f6f3-27c2-4b3b-9f0c-000000000001"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Patient/1", Reference("Patient/1", type="Patient", id="1")),
        (
            "Patient/1/_history/2",
            Reference("Patient/1/_history/2", type="Patient", id="1", version="2"),
        ),
        (f"{BASE}/Patient/a.B-9", Reference(f"{BASE}/Patient/a.B-9", type="Patient", id="a.B-9")),
        (
            "http://other.example/r4/x/Patient/1/_history/3#part",
            Reference(
                "http://other.example/r4/x/Patient/1/_history/3#part",
                type="Patient",
                id="1",
                version="3",
                base="http://other.example/r4/x",
                fragment="part",
            ),
        ),
        ("#", Reference("#", fragment="")),
        ("#p1", Reference("#p1", fragment="p1")),
        (A, Reference(A)),
        ("urn:oid:1.2.3", Reference("urn:oid:1.2.3")),
        (
            "Patient?identifier=http://x|1&active=true",
            Reference(
                "Patient?identifier=http://x|1&active=true",
                type="Patient",
                query="identifier=http://x|1&active=true",
            ),
        ),
        ("http://example.org/thing", Reference("http://example.org/thing")),
        ("patient/1", Reference("patient/1")),
        ("Patient/", Reference("Patient/")),
        ("Patient/1\n", Reference("Patient/1\n")),
        ("Patient/" + "x" * 65, Reference("Patient/" + "x" * 65)),
        ("", Reference("")),
    ],
)
def test_parse(text: str, expected: Reference) -> None:
    assert parse(text, base=BASE) == expected


def test_what_is_local() -> None:
    assert parse("Patient/1").key == "Patient/1"
    assert parse(f"{BASE}/Patient/1", base=BASE).key == "Patient/1"
    assert parse(f"{BASE}/Patient/1").key is None
    assert parse(A).is_urn
    assert not parse("Patient?x=1").is_local


@given(st.text())
def test_any_text_parses(text: str) -> None:
    assert parse(text).raw == text


TREE: Tree = {
    "resourceType": "DetectedIssue",
    "reference": A,
    "identifier": [{"system": A, "value": A}],
    "implicated": [{"reference": "Observation/1"}, {"reference": A, "display": A}],
    "patient": {"reference": B},
    "extension": [
        {"url": "http://x", "valueUri": B},
        {"url": "http://y", "valueReference": {"reference": f"{A}#x"}},
        {"url": "http://z", "valueString": A},
        {"url": "http://e", "valueExpression": {"language": "text/cql", "reference": A}},
    ],
    "meta": {"profile": ["http://p", A]},
    "text": {"div": f"<div><a href=\"{A}\">{A}</a><img src = '{B}'/><a href='#x'>x</a></div>"},
}


def test_places_in_document_order() -> None:
    found = [(place.expression, place.value) for place in references(TREE)]
    assert found == [
        ("DetectedIssue.implicated[0].reference", "Observation/1"),
        ("DetectedIssue.implicated[1].reference", A),
        ("DetectedIssue.patient.reference", B),
        ("DetectedIssue.extension[1].valueReference.reference", f"{A}#x"),
    ]
    uris = {place.expression for place in places(TREE) if not place.is_reference}
    assert {
        "DetectedIssue.reference",
        "DetectedIssue.identifier[0].system",
        "DetectedIssue.extension[0].valueUri",
        "DetectedIssue.extension[3].valueExpression.reference",
        "DetectedIssue.meta.profile[1]",
    } <= uris


def test_rewrite_replaces_links_and_nothing_else() -> None:
    assert rewrite(TREE, {A: "Observation/9", B: "Patient/7"}) == {
        "resourceType": "DetectedIssue",
        "reference": "Observation/9",
        "identifier": [{"system": "Observation/9", "value": A}],
        "implicated": [
            {"reference": "Observation/1"},
            {"reference": "Observation/9", "display": A},
        ],
        "patient": {"reference": "Patient/7"},
        "extension": [
            {"url": "http://x", "valueUri": "Patient/7"},
            {"url": "http://y", "valueReference": {"reference": f"{A}#x"}},
            {"url": "http://z", "valueString": A},
            {
                "url": "http://e",
                "valueExpression": {"language": "text/cql", "reference": "Observation/9"},
            },
        ],
        "meta": {"profile": ["http://p", "Observation/9"]},
        "text": {
            "div": f'<div><a href="Observation/9">{A}</a><img src = "Patient/7"/>'
            "<a href='#x'>x</a></div>"
        },
    }


def test_rewrite_without_a_match_is_the_same_object() -> None:
    assert rewrite(TREE, {"urn:uuid:other": "Patient/1"}) is TREE
    assert rewrite(TREE, {}) is TREE


def test_rewrite_leaves_its_input_unchanged_and_shares_what_did_not_change() -> None:
    before = repr(TREE)
    new = rewrite(TREE, {B: "Patient/7"})
    assert repr(TREE) == before
    assert new["implicated"] is TREE["implicated"]


def test_conditional_references_are_rewritten_whole() -> None:
    tree = {"resourceType": "Task", "for": {"reference": "Patient?identifier=a|1"}}
    new = rewrite(tree, {"Patient?identifier=a|1": "Patient/4"})
    assert new["for"] == {"reference": "Patient/4"}
