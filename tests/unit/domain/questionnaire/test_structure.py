"""Where items stand: linkIds, nesting, order, repetition, text."""

from __future__ import annotations

import pytest

from app.core.errors import AppError, Category, Severity
from app.domain.questionnaire import check
from tests.unit.domain.questionnaire.forms import (
    ROOT,
    STANDARD,
    form,
    found,
    given_item,
    item,
    limit,
    problems,
    response,
    text,
)


def test_a_right_response_has_no_problem():
    questionnaire = form(item("g", "group", item("a"), item("b", "integer")), item("c", "boolean"))
    assert (
        found(
            questionnaire,
            {"linkId": "g", "item": [text("a"), given_item("b", ("valueInteger", 3))]},
            given_item("c", ("valueBoolean", False)),
        )
        == []
    )
    assert check(questionnaire, {"resourceType": ROOT, "status": "completed"}) == []


def test_link_ids_are_known_and_in_their_place():
    questionnaire = form(item("g", "group", item("a")), item("b"))
    assert found(questionnaire, text("x"), {"answer": []}, text("a")) == [
        ("not-found", ".item[0].linkId"),
        ("required", ".item[1].linkId"),
        ("structure", ".item[2].linkId"),
    ]
    assert found(questionnaire, {"linkId": "g", "item": [text("b")]}) == [
        ("structure", ".item[0].item[0].linkId")
    ]


def test_items_follow_the_order_of_the_questionnaire():
    questionnaire = form(item("a"), item("b"), item("c"))
    assert found(questionnaire, text("b"), text("a"), text("c")) == [("structure", ".item[1]")]


def test_groups_repeat_as_items_and_questions_as_answers():
    questionnaire = form(
        item("g", "group", item("a")),
        item("h", "group", item("b"), repeats=True),
        item("q"),
        item("r", repeats=True),
    )
    two = [("valueString", "x"), ("valueString", "y")]
    assert found(
        questionnaire,
        {"linkId": "g", "item": [text("a")]},
        {"linkId": "g", "item": [text("a")]},
        {"linkId": "h", "item": [text("b")]},
        {"linkId": "h", "item": [text("b")]},
        given_item("q", *two),
        given_item("r", *two),
        text("r"),
    ) == [
        ("structure", ".item[1]"),
        ("structure", ".item[4].answer"),
        ("structure", ".item[6]"),
    ]


def test_groups_have_no_answers_displays_have_nothing_and_questions_nest_under_answers():
    questionnaire = form(
        item("g", "group", item("a")), item("d", "display"), item("q", "string", item("n"))
    )
    assert found(
        questionnaire,
        given_item("g", ("valueString", "x")),
        given_item("d", ("valueString", "x"), item=[]),
        given_item("q", ("valueString", "x"), item=[text("n")]),
    ) == [
        ("structure", ".item[0].answer"),
        ("structure", ".item[1].answer"),
        ("structure", ".item[1].item"),
        ("structure", ".item[2].item"),
    ]
    nested = {"valueString": "x", "item": [text("n"), text("a")]}
    assert found(questionnaire, given_item("q", nested)) == [
        ("structure", ".item[0].answer[0].item[1].linkId")
    ]


def test_an_item_repeats_the_text_or_one_of_its_translations():
    translation = {
        "url": STANDARD + "translation",
        "extension": [
            {"url": "lang", "valueCode": "ar"},
            {"url": "content", "valueString": "نعم؟"},
        ],
    }
    questionnaire = form(item("a", text="Is it so?", _text={"extension": [translation]}), item("b"))
    for wording in ("Is it so?", " Is it\n so? ", "نعم؟"):
        assert found(questionnaire, text("a") | {"text": wording}) == []
    assert found(questionnaire, text("a") | {"text": "Is it?"}) == [("value", ".item[0].text")]
    assert found(questionnaire, text("b") | {"text": "Anything"}) == []


@pytest.mark.parametrize(
    "item_",
    [3, {"linkId": 3}, {"linkId": "a", "answer": {}}, {"linkId": "a", "answer": [3]}],
)
def test_what_is_no_item_or_answer_is_a_problem_and_never_a_fault(item_):
    assert len(found(form(item("a")), item_)) == 1
    assert len(problems(check(form(item("a")), {"status": "completed", "item": "x"}))) == 1


def test_a_thousand_errors_are_enough():
    questionnaire = form(item("a"))
    issues = check(questionnaire, response(*[text("x")] * 1_001))
    assert len(issues) == 1_001
    assert (issues[-1].code, issues[-1].severity) == ("too-long", Severity.INFORMATION)


def test_warnings_past_the_thousandth_hide_no_error():
    questionnaire = form(
        item("g", "group", item("a", required=True), item("b"), repeats=True),
        item("c", extension=[limit("questionnaire-maxOccurs", valueInteger=1)], repeats=True),
    )
    two = given_item("c", ("valueString", "x"), ("valueString", "y"))
    groups = [{"linkId": "g", "item": [text("b")]}] * 1_500
    issues = check(questionnaire, response(*groups, two, status="in-progress"))
    assert [issue.severity for issue in issues] == [Severity.WARNING] * 1_000 + [Severity.ERROR]


def test_a_response_that_repeats_beyond_reason_is_too_costly():
    children = [item(f"i{number}") for number in range(300)]
    questionnaire = form(item("g", "group", *children, repeats=True))
    groups = [{"linkId": "g"}] * 2_000
    with pytest.raises(AppError) as refusal:
        check(questionnaire, response(*groups))
    assert refusal.value.category is Category.TOO_COSTLY
