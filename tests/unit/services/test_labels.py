"""Labels of what is stored: one confidentiality, raised and never lowered."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from app.domain.consent.policy import RANKS
from app.fhir.registry import REGISTRY
from app.security import clearance
from app.services.labels import CONFIDENTIALITY, SENSITIVITY, Labels, data_class, labelled, stated

BASE = "https://rapport.example.org"


def codes(tree: dict[str, Any]) -> list[str]:
    return [coding["code"] for coding in tree["meta"]["security"]]


def marked(*codes: str) -> list[dict[str, str]]:
    return [
        {"system": CONFIDENTIALITY if len(code) == 1 else SENSITIVITY, "code": code}
        for code in codes
    ]


def of(type_name: str, *security: str, **fields: Any) -> dict[str, Any]:
    tree = {"resourceType": type_name, **fields}
    return {**tree, "meta": {"security": marked(*security)}} if security else tree


@pytest.mark.parametrize(
    "tree, expected",
    [
        (of("Patient"), ["N"]),
        (of("Encounter"), ["N"]),
        (of("Goal"), ["R"]),
        (of("Consent"), ["R"]),
        (of("Group"), ["R"]),
        (of("Observation"), ["R"]),
        (of("Patient", "R"), ["R"]),
        (of("Goal", "L"), ["R"]),
        (of("Goal", "V"), ["V"]),
        (of("Flag", "SDV"), ["V", "SDV"]),
        (of("DocumentReference", "R", "PSYTHPN"), ["V", "PSYTHPN"]),
        (of("QuestionnaireResponse", questionnaire=f"{BASE}/Questionnaire/phq-9|1"), ["R", "MH"]),
        (
            of("QuestionnaireResponse", questionnaire=f"{BASE}/Questionnaire/srs"),
            ["R", "SEX", "BH"],
        ),
        (
            of(
                "DocumentReference",
                type={
                    "coding": [
                        {
                            "system": f"{BASE}/CodeSystem/document-type",
                            "code": "psychotherapy-note",
                        }
                    ]
                },
            ),
            ["V", "PSYTHPN"],
        ),
        (
            of(
                "Observation",
                code={"coding": [{"system": f"{BASE}/CodeSystem/alliance-scale", "code": "bond"}]},
            ),
            ["R", "BH"],
        ),
    ],
)
def test_defaults_and_raised_labels(tree: dict[str, Any], expected: list[str]) -> None:
    marked_tree, _ = labelled(tree, tree["resourceType"], before=None)
    assert codes(marked_tree) == expected


def test_there_is_one_confidentiality_and_it_never_falls() -> None:
    for before, given, inherited in product(RANKS, RANKS, (0, 4, 5)):
        tree, labels = labelled(
            of("Patient", given, "SEX"),
            "Patient",
            before=of("Patient", before, "HIV"),
            inherited=Labels(inherited, 0),
        )
        confidentiality = [c for c in codes(tree) if c in RANKS]
        assert len(confidentiality) == 1
        assert RANKS[confidentiality[0]] == labels.rank
        assert labels.rank == max(RANKS[before], RANKS[given], inherited, RANKS["R"])
        assert set(codes(tree)) >= {"SEX", "HIV"}


def test_labels_that_are_not_ours_stay() -> None:
    handling = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}
    tree = {"resourceType": "Patient", "meta": {"tag": [{"code": "x"}], "security": [handling]}}
    marked_tree, _ = labelled(tree, "Patient", before=None)
    assert codes(marked_tree) == ["N", "HTEST"]
    assert marked_tree["meta"]["tag"] == [{"code": "x"}]
    assert tree["meta"] == {"tag": [{"code": "x"}], "security": [handling]}


def test_an_unknown_code_is_as_high_as_any() -> None:
    assert stated([{"system": CONFIDENTIALITY, "code": "Q"}]).rank == RANKS["V"]
    unknown = stated([{"system": SENSITIVITY, "code": "NEW"}]).bits
    assert unknown
    assert unknown & clearance.all_but_notes() == unknown


def test_inherited_sensitivities_are_written_out() -> None:
    source = stated(marked("PSYTHPN", "SDV"))
    tree, labels = labelled(of("Provenance"), "Provenance", before=None, inherited=source)
    assert codes(tree) == ["V", "PSYTHPN", "SDV"]
    assert labels == source


def test_every_type_that_is_stored_has_a_default() -> None:
    for name in REGISTRY:
        tree, _ = labelled({"resourceType": name}, name, before=None)
        assert codes(tree)[0] in "NR"


def test_the_class_lists_every_coding() -> None:
    observation = of(
        "Observation",
        code={"coding": [{"system": "http://a", "code": "1"}, {"system": "http://b", "code": "2"}]},
        category=[{"coding": [{"code": "survey"}]}],
    )
    assert data_class(observation, "Observation") == "\nhttp://a|1\nhttp://b|2\n|survey\n"
    assert data_class(of("Patient"), "Patient") is None
