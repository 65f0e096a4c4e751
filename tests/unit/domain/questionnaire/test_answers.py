"""The numbers that a scoring key reads."""

from __future__ import annotations

from decimal import Decimal

from app.domain.questionnaire import answers_of, check
from tests.unit.domain.questionnaire.forms import (
    coding,
    form,
    given_item,
    item,
    limit,
    response,
    text,
)


def weighted(code, weight=None, *, on="coding", url="ordinalValue"):
    extension = [] if weight is None else [limit(url, valueDecimal=weight)]
    option = {"valueCoding": coding(code)}
    (option["valueCoding"] if on == "coding" else option)["extension"] = extension
    return option


def test_answers_are_the_weights_of_the_questionnaire():
    scale = [weighted("lo", 0), weighted("hi", 4.5, on="option"), weighted("na")]
    questionnaire = form(
        item("g", "group", item("a", "choice", answerOption=scale), item("b", "decimal")),
        item(
            "c", "integer", item("d", "choice", answerOption=[weighted("x", 1, url="itemWeight")])
        ),
        item("e", "choice", answerOption=scale),
        item("f"),
    )
    hi = given_item(
        "a", {"valueCoding": coding("hi") | {"extension": [limit("ordinalValue", valueDecimal=99)]}}
    )
    nested = {"valueInteger": 3, "item": [given_item("d", ("valueCoding", coding("x")))]}
    answered = response(
        {"linkId": "g", "item": [hi, given_item("b", ("valueDecimal", 9.5))]},
        given_item("c", nested),
        given_item("e", ("valueCoding", coding("na"))),
        text("f"),
    )
    assert check(questionnaire, answered) == []
    assert answers_of(questionnaire, answered) == {
        "a": Decimal("4.5"),
        "b": Decimal("9.5"),
        "c": Decimal(3),
        "d": Decimal(1),
        "e": None,
    }
    assert answers_of(questionnaire, response()) == dict.fromkeys("abcde")


def test_more_than_one_answer_is_no_score():
    questionnaire = form(item("a", "integer", repeats=True))
    twice = given_item("a", ("valueInteger", 1), ("valueInteger", 2))
    assert answers_of(questionnaire, response(twice)) == {"a": None}
    one = given_item("a", ("valueInteger", 1))
    assert answers_of(questionnaire, response(one, one)) == {"a": None}
