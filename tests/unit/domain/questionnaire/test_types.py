"""Which value answers which type."""

from __future__ import annotations

import pytest

from tests.unit.domain.questionnaire.forms import (
    RIGHT,
    STANDARD,
    form,
    found,
    given_item,
    item,
)


@pytest.mark.parametrize("type_", RIGHT)
def test_each_type_takes_its_own_value_only(type_):
    questionnaire = form(item("a", type_))
    for other, answer in RIGHT.items():
        fits = answer[0] == RIGHT[type_][0] or (
            type_ == "open-choice" and other in {"string", "text"}
        )
        assert found(questionnaire, given_item("a", answer)) == (
            [] if fits else [("value", ".item[0].answer[0].value")]
        )


@pytest.mark.parametrize(
    "type_, key, value",
    [
        ("boolean", "valueBoolean", "true"),
        ("integer", "valueInteger", 1.5),
        ("integer", "valueInteger", True),
        ("decimal", "valueDecimal", "1"),
        ("date", "valueDate", "2026-02-30"),
        ("time", "valueTime", "25:00:00"),
        ("string", "valueString", 3),
        ("choice", "valueCoding", {"system": ["s"], "code": "a"}),
        ("quantity", "valueQuantity", {"code": {}}),
        ("reference", "valueReference", "Patient/1"),
    ],
)
def test_a_value_of_the_wrong_shape_is_named(type_, key, value):
    assert found(form(item("a", type_)), given_item("a", (key, value))) == [
        ("value", ".item[0].answer[0].value")
    ]


def test_an_answer_has_a_value_or_a_reason_why_not():
    questionnaire = form(item("a", required=True))
    absent = {
        "extension": [{"url": STANDARD + "data-absent-reason", "valueCode": "asked-declined"}]
    }
    assert found(questionnaire, given_item("a", {"id": "1"})) == [
        ("required", ".item[0].answer[0]"),
        ("required", ".item[0]"),
    ]
    assert found(questionnaire, given_item("a", absent)) == [("required", ".item[0]")]
    assert found(questionnaire, given_item("a", {"_valueString": absent})) == [
        ("required", ".item[0]")
    ]
