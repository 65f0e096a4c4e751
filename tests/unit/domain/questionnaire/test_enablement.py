"""``enableWhen``: operators, behaviour, and whose answer is meant."""

from __future__ import annotations

import pytest

from app.core.errors import Severity
from app.domain.questionnaire import check
from tests.unit.domain.questionnaire.forms import (
    SDC,
    coding,
    form,
    found,
    given_item,
    item,
    limit,
    response,
    text,
    when,
)


@pytest.mark.parametrize(
    "operator, answer, enabled",
    [
        ("exists", {"answerBoolean": True}, "3 4"),
        ("exists", {"answerBoolean": False}, ""),
        ("=", {"answerInteger": 3}, "3"),
        ("!=", {"answerInteger": 3}, "4"),
        (">", {"answerInteger": 3}, "4"),
        (">=", {"answerDecimal": 3.5}, "4"),
        ("<", {"answerInteger": 4}, "3"),
        ("<=", {"answerInteger": 3}, "3"),
        ("=", {"answerString": "3"}, ""),
    ],
)
def test_operators(operator, answer, enabled):
    questionnaire = form(
        item("q", "integer"), item("a", required=True, enableWhen=[when("q", operator, **answer)])
    )
    for value in (3, 4):
        asked = found(questionnaire, given_item("q", ("valueInteger", value)))
        assert bool(asked) == (str(value) in enabled.split())
    # Without an answer nothing compares; only its absence can enable.
    assert bool(found(questionnaire)) == (answer == {"answerBoolean": False})


@pytest.mark.parametrize(
    "type_, key, value, answer",
    [
        ("boolean", "valueBoolean", True, {"answerBoolean": True}),
        ("string", "valueString", "x", {"answerString": "x"}),
        ("date", "valueDate", "2026-01-02", {"answerDate": "2026-01-02"}),
        (
            "dateTime",
            "valueDateTime",
            "2026-01-01T04:00:00+04:00",
            {"answerDateTime": "2026-01-01T00:00:00Z"},
        ),
        ("time", "valueTime", "10:00:00", {"answerTime": "10:00:00"}),
        ("choice", "valueCoding", coding("x") | {"display": "X"}, {"answerCoding": coding("x")}),
        (
            "quantity",
            "valueQuantity",
            {"value": 1.0, "unit": "kg"},
            {"answerQuantity": {"value": 1, "unit": "kg"}},
        ),
        (
            "reference",
            "valueReference",
            {"reference": "Patient/1"},
            {"answerReference": {"reference": "Patient/1"}},
        ),
    ],
)
def test_equality_by_type(type_, key, value, answer):
    questionnaire = form(
        item("q", type_), item("a", required=True, enableWhen=[when("q", **answer)])
    )
    assert found(questionnaire, given_item("q", (key, value))) == [
        ("required", ".item.where(linkId='a')")
    ]


def test_any_answer_of_several_matches_and_unequal_means_none_is_equal():
    questionnaire = form(
        item("q", "integer", repeats=True),
        item("a", required=True, enableWhen=[when("q", answerInteger=2)]),
        item("b", required=True, enableWhen=[when("q", "!=", answerInteger=2)]),
    )
    two = found(questionnaire, given_item("q", ("valueInteger", 1), ("valueInteger", 2)))
    assert two == [("required", ".item.where(linkId='a')")]
    one = found(questionnaire, given_item("q", ("valueInteger", 1), ("valueInteger", 3)))
    assert one == [("required", ".item.where(linkId='b')")]


@pytest.mark.parametrize(
    "behavior, first, second, enabled",
    [
        ("all", True, True, True),
        ("all", True, False, False),
        ("any", False, True, True),
        ("any", False, False, False),
    ],
)
def test_several_conditions_join_by_any_or_all(behavior, first, second, enabled):
    questionnaire = form(
        item("p", "boolean"),
        item("q", "boolean"),
        item(
            "a",
            required=True,
            enableBehavior=behavior,
            enableWhen=[when("p", answerBoolean=True), when("q", answerBoolean=True)],
        ),
    )
    answered = (
        given_item("p", ("valueBoolean", first)),
        given_item("q", ("valueBoolean", second)),
    )
    assert bool(found(questionnaire, *answered)) is enabled


def test_what_is_not_enabled_is_not_required_and_must_not_be_answered():
    questionnaire = form(
        item("q", "boolean"),
        item(
            "g",
            "group",
            item("a", required=True),
            required=True,
            enableWhen=[when("q", answerBoolean=True)],
        ),
        item("b", required=True, enableWhen=[when("q", answerBoolean=True)]),
    )
    no, yes = (given_item("q", ("valueBoolean", value)) for value in (False, True))
    assert found(questionnaire, no) == []
    assert found(questionnaire, no, {"linkId": "g"}, {"linkId": "b"}) == []
    filled = [{"linkId": "g", "item": [text("a")]}, text("b")]
    assert found(questionnaire, no, *filled) == [
        ("invariant", ".item[1]"),
        ("invariant", ".item[2]"),
    ]
    assert found(questionnaire, yes, *filled) == []
    (warning, _) = check(questionnaire, response(no, *filled, status="in-progress"))
    assert warning.severity is Severity.WARNING


def test_a_question_further_down_may_enable():
    questionnaire = form(
        item("a", required=True, enableWhen=[when("q", answerBoolean=True)]), item("q", "boolean")
    )
    assert found(questionnaire, given_item("q", ("valueBoolean", True))) == [
        ("required", ".item.where(linkId='a')")
    ]


def test_a_repeated_group_reads_its_own_answer_and_never_its_neighbours():
    questionnaire = form(
        item(
            "g",
            "group",
            item("q", "boolean"),
            item("a", required=True, enableWhen=[when("q", answerBoolean=True)]),
            item("b"),
            repeats=True,
        )
    )

    def instance(value, *more):
        asked = [] if value is None else [given_item("q", ("valueBoolean", value))]
        return {"linkId": "g", "item": [*asked, *more]}

    assert found(
        questionnaire,
        instance(True, text("a")),
        instance(False),
        instance(None, text("b")),
        instance(True),
        instance(False, text("a")),
    ) == [
        ("required", ".item[3].item.where(linkId='a')"),
        ("invariant", ".item[4].item[1]"),
    ]


def test_from_outside_the_nearest_occurrence_before_counts_then_the_first_after():
    def built(*order):
        parts = {
            "g": item("g", "group", item("q", "boolean"), repeats=True),
            "a": item("a", required=True, enableWhen=[when("q", answerBoolean=True)]),
        }
        return form(*(parts[name] for name in order))

    def groups(*values):
        return [
            {"linkId": "g", "item": [given_item("q", ("valueBoolean", value))]} for value in values
        ]

    required = [("required", ".item.where(linkId='a')")]
    assert found(built("g", "a"), *groups(False, True)) == required
    assert found(built("g", "a"), *groups(True, False)) == []
    assert found(built("a", "g"), *groups(True, False)) == required
    assert found(built("a", "g"), *groups(False, True)) == []


def test_an_enclosing_question_is_the_nearest_of_all():
    questionnaire = form(
        item(
            "q",
            "integer",
            item("n", required=True, enableWhen=[when("q", answerInteger=2)]),
            item("m", "boolean"),
            item("o", required=True, enableWhen=[when("m", answerBoolean=True)]),
            repeats=True,
        )
    )
    yes = given_item("m", ("valueBoolean", True))
    first = {"valueInteger": 1, "item": [yes]}
    assert found(questionnaire, given_item("q", first)) == [
        ("required", ".item[0].answer[0].item.where(linkId='o')")
    ]
    second = {"valueInteger": 2, "item": [text("n")]}
    assert found(questionnaire, given_item("q", second)) == []
    # Each answer holds its own nested items.
    assert found(questionnaire, given_item("q", second, first | {"item": [text("n"), yes]})) == [
        ("required", ".item[0].answer[1].item.where(linkId='o')")
    ]


def test_an_expression_that_enables_is_not_guessed():
    expression = limit(SDC + "enableWhenExpression", valueExpression={"expression": "true"})
    questionnaire = form(item("a", required=True, extension=[expression]))
    (issue,) = check(questionnaire, response())
    assert (issue.code, issue.severity) == ("not-supported", Severity.WARNING)
