"""A subset keeps what was asked for and what a resource cannot be without."""

from __future__ import annotations

import pytest

from app.fhir.elements import SUBSETTED, subset
from app.fhir.json import Tree

RESPONSE: Tree = {
    "resourceType": "QuestionnaireResponse",
    "id": "1",
    "meta": {"versionId": "2", "tag": [{"code": "mine"}]},
    "implicitRules": "http://rules",
    "text": {"status": "generated", "div": "<div/>"},
    "contained": [{"resourceType": "Patient", "id": "p"}],
    "questionnaire": "http://q",
    "_questionnaire": {"id": "q"},
    "status": "completed",
    "subject": {"reference": "#p", "id": "s", "extension": [{"url": "x", "valueCode": "y"}]},
    "author": {"id": "only-an-id"},
    "item": [{"linkId": "1"}],
}
TAGGED = {"versionId": "2", "tag": [{"code": "mine"}, SUBSETTED]}


def test_summary_keeps_summary_elements_at_every_level() -> None:
    assert subset(RESPONSE, summary="true") == {
        "resourceType": "QuestionnaireResponse",
        "id": "1",
        "meta": TAGGED,
        "implicitRules": "http://rules",
        "questionnaire": "http://q",
        "_questionnaire": {"id": "q"},
        "status": "completed",
        "subject": {"reference": "#p"},
    }


def test_text_keeps_the_narrative_and_what_is_mandatory() -> None:
    assert set(subset(RESPONSE, summary="text")) == {
        "resourceType",
        "id",
        "meta",
        "text",
        "status",
    }


def test_data_leaves_out_the_narrative() -> None:
    part = subset(RESPONSE, summary="data")
    assert part == {k: v for k, v in RESPONSE.items() if k != "text"} | {"meta": TAGGED}


@pytest.mark.parametrize("summary", ["false", "count", None])
def test_nothing_asked_is_the_same_object(summary: str | None) -> None:
    assert subset(RESPONSE, summary=summary) is RESPONSE


def test_elements_keep_modifiers_mandatory_elements_and_siblings() -> None:
    part = subset(RESPONSE, elements=["QuestionnaireResponse.questionnaire", "unknown"])
    assert set(part) == {
        "resourceType",
        "id",
        "meta",
        "implicitRules",
        "questionnaire",
        "_questionnaire",
        "status",
    }
    assert part["meta"] == TAGGED


@pytest.mark.parametrize("name", ["value", "valueQuantity", "Observation.value"])
def test_a_choice_goes_by_either_name(name: str) -> None:
    observation: Tree = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "c"},
        "valueQuantity": {"value": 1},
        "note": [{"text": "n"}],
    }
    part = subset(observation, elements=[name])
    assert part["valueQuantity"] == {"value": 1}
    assert "note" not in part
    assert part["meta"] == {"tag": [SUBSETTED]}


def test_a_summary_keeps_what_is_mandatory_in_a_kept_element() -> None:
    event: Tree = {
        "resourceType": "AuditEvent",
        "type": {"code": "rest"},
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"requestor": True, "name": "n", "who": {"reference": "Device/1"}}],
        "source": {"site": "s", "observer": {"reference": "Device/1"}},
    }
    part = subset(event, summary="true")
    assert part["agent"] == [{"requestor": True, "who": {"reference": "Device/1"}}]
    assert part["source"] == {"observer": {"reference": "Device/1"}}


def test_the_input_is_unchanged_and_tagged_once() -> None:
    before = repr(RESPONSE)
    once = subset(RESPONSE, summary="data")
    assert repr(RESPONSE) == before
    assert subset(once, summary="true")["meta"] == TAGGED
