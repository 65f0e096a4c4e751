"""Questionnaires whose meaning is open are refused."""

from __future__ import annotations

import pytest

from app.core.errors import AppError, Category
from app.domain.questionnaire import check
from tests.unit.domain.questionnaire.forms import (
    STANDARD,
    form,
    given_item,
    item,
    limit,
    response,
    when,
)


@pytest.mark.parametrize(
    "items, code, place",
    [
        ([item("a"), item("a")], "duplicate", "item[1].linkId"),
        ([{"type": "string"}], "required", "item[0].linkId"),
        ([item("a", "question")], "code-invalid", "item[0].type"),
        (
            [item("a", enableWhen=[when("b", answerString="x")])],
            "not-found",
            "item[0].enableWhen[0].question",
        ),
        (
            [item("a", enableWhen=[when("a", answerString="x")])],
            "not-found",
            "item[0].enableWhen[0].question",
        ),
        (
            [item("g", "group"), item("a", enableWhen=[when("g", "exists", answerBoolean=True)])],
            "not-found",
            "item[1].enableWhen[0].question",
        ),
        (
            [item("q"), item("a", enableWhen=[when("q")])],
            "required",
            "item[1].enableWhen[0].answer",
        ),
        (
            [item("q"), item("a", enableWhen=[when("q", "~", answerString="x")])],
            "code-invalid",
            "item[1].enableWhen[0].operator",
        ),
        (
            [item("q"), item("a", enableWhen=[when("q", "exists", answerString="x")])],
            "invariant",
            "item[1].enableWhen[0].answer",
        ),
        (
            [item("q"), item("a", enableWhen=[when("q", answerString="x")] * 2)],
            "required",
            "item[1]",
        ),
        ([item("a", "choice", answerValueSet="#v")], "not-found", "item[0].answerValueSet"),
        ([item("a", "date", extension=[limit("minValue", valueInteger=3)])], "value", "item[0]"),
        ([item("a", extension=[limit("minLength", valueInteger=-1)])], "value", "item[0]"),
        ([item("a", extension=[limit("maxDecimalPlaces", valueInteger=1)])], "value", "item[0]"),
        ([item("g", "group", item("a", "x"))], "code-invalid", "item[0].item[0].type"),
    ],
)
def test_a_questionnaire_whose_meaning_is_open_is_refused(items, code, place):
    with pytest.raises(AppError) as refusal:
        form(*items)
    assert refusal.value.category is Category.UNPROCESSABLE
    assert [(issue.code, issue.expression) for issue in refusal.value.issues] == [
        (code, f"Questionnaire.{place}")
    ]


def test_a_limit_that_an_expression_computes_is_named():
    computed = {"url": STANDARD + "maxValue", "_valueDate": {"extension": [{"url": "x"}]}}
    questionnaire = form(item("a", "date", extension=[computed]))
    (issue,) = check(questionnaire, response(given_item("a", ("valueDate", "2026"))))
    assert issue.code == "not-supported"


def test_the_compiled_form_knows_its_address_and_its_items_in_order():
    questionnaire = form(item("g", "group", item("b"), item("a")), item("c"), version="2")
    assert questionnaire.canonical == "https://x.example/Questionnaire/f|2"
    assert list(questionnaire.by_link_id) == ["g", "b", "a", "c"]
