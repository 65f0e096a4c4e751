"""Answer options."""

from __future__ import annotations

import pytest

from tests.unit.domain.questionnaire.forms import (
    coding,
    form,
    found,
    given_item,
    item,
    limit,
    options,
    text,
)


def test_a_choice_is_among_the_options_by_system_and_code():
    questionnaire = form(item("a", "choice", answerOption=options("x", "y")))
    place = ".item[0].answer[0].value"
    right = coding("x") | {"display": "Another wording"}
    assert found(questionnaire, given_item("a", ("valueCoding", right))) == []
    for wrong in (coding("z"), coding("x", "t"), {"code": "x"}):
        assert found(questionnaire, given_item("a", ("valueCoding", wrong))) == [
            ("code-invalid", place)
        ]
    assert found(questionnaire, text("a", "x")) == [("value", place)]


def test_an_open_choice_takes_an_option_or_a_string():
    questionnaire = form(item("a", "open-choice", answerOption=options("x")))
    assert found(questionnaire, text("a", "my own words")) == []
    assert found(questionnaire, given_item("a", ("valueCoding", coding("x")))) == []
    assert found(questionnaire, given_item("a", ("valueCoding", coding("z")))) == [
        ("code-invalid", ".item[0].answer[0].value")
    ]


@pytest.mark.parametrize(
    "type_, option, right, wrong",
    [
        ("choice", {"valueInteger": 3}, ("valueInteger", 3), ("valueInteger", 4)),
        ("choice", {"valueString": "x"}, ("valueString", "x"), ("valueString", "y")),
        ("choice", {"valueDate": "2026"}, ("valueDate", "2026"), ("valueDate", "2025")),
        ("choice", {"valueTime": "10:00:00"}, ("valueTime", "10:00:00"), ("valueTime", "11:00:00")),
        (
            "choice",
            {"valueReference": {"reference": "Patient/1"}},
            ("valueReference", {"reference": "Patient/1", "display": "One"}),
            ("valueReference", {"reference": "Patient/2"}),
        ),
        ("integer", {"valueInteger": 3}, ("valueInteger", 3), ("valueInteger", 4)),
    ],
)
def test_options_may_be_of_other_types(type_, option, right, wrong):
    questionnaire = form(item("a", type_, answerOption=[option]))
    assert found(questionnaire, given_item("a", right)) == []
    assert found(questionnaire, given_item("a", wrong)) == [
        ("code-invalid", ".item[0].answer[0].value")
    ]


def test_an_exclusive_option_stands_alone():
    exclusive = {"extension": [limit("questionnaire-optionExclusive", valueBoolean=True)]}
    questionnaire = form(
        item(
            "a",
            "choice",
            repeats=True,
            answerOption=[*options("x", "y"), {"valueCoding": coding("none")} | exclusive],
        )
    )
    x, y, none = (("valueCoding", coding(code)) for code in ("x", "y", "none"))
    assert found(questionnaire, given_item("a", x, y)) == []
    assert found(questionnaire, given_item("a", none)) == []
    assert found(questionnaire, given_item("a", x, none)) == [("invariant", ".item[0].answer")]
