"""What the extensions of an item limit."""

from __future__ import annotations

import pytest

from app.core.errors import Severity
from app.domain.questionnaire import check
from tests.unit.domain.questionnaire.forms import (
    RIGHT,
    ROOT,
    SDC,
    form,
    found,
    given_item,
    item,
    limit,
    response,
    text,
)


@pytest.mark.parametrize(
    "type_, limits, right, wrong, code",
    [
        ("string", {"maxLength": 3}, "abc", "abcd", "too-long"),
        ("string", [limit("minLength", valueInteger=2)], "ab", "a", "value"),
        ("string", [limit("regex", valueString="[A-Z]{2}[0-9]+")], "AB1", "AB1\n", "value"),
        ("string", [limit("regex", valueString="a|b")], "b", "ba", "value"),
        ("decimal", [limit("minValue", valueDecimal=0)], 0, -0.1, "value"),
        ("decimal", [limit("maxValue", valueInteger=10)], 10.0, 10.1, "value"),
        ("decimal", [limit("maxDecimalPlaces", valueInteger=1)], 9.5, 9.55, "value"),
        ("integer", [limit("maxValue", valueInteger=10)], 10, 11, "value"),
        ("date", [limit("minValue", valueDate="2026-01-01")], "2026-01-01", "2025-12-31", "value"),
        ("date", [limit("maxValue", valueDate="2026")], "2026", "2027-01", "value"),
        ("time", [limit("maxValue", valueTime="12:00:00")], "12:00:00", "12:00:01", "value"),
        (
            "dateTime",
            [limit("minValue", valueDateTime="2026-01-01T00:00:00Z")],
            "2026-01-01T04:00:00+04:00",
            "2026-01-01T03:59:59+04:00",
            "value",
        ),
        (
            "quantity",
            [limit(SDC + "maxQuantity", valueQuantity={"value": 10, "system": "u", "code": "kg"})],
            {"value": 10, "system": "u", "code": "kg"},
            {"value": 11, "system": "u", "code": "kg"},
            "value",
        ),
        (
            "quantity",
            [limit("questionnaire-unitOption", valueCoding={"system": "u", "code": "kg"})],
            {"value": 1, "system": "u", "code": "kg"},
            {"value": 1, "system": "u", "code": "g"},
            "code-invalid",
        ),
        (
            "attachment",
            [limit("mimeType", valueCode="image/png"), limit("mimeType", valueCode="image/jpeg")],
            {"contentType": "image/jpeg; q=1"},
            {"contentType": "text/html"},
            "value",
        ),
        (
            "attachment",
            [limit("maxSize", valueDecimal=100)],
            {"size": 100},
            {"size": 101},
            "too-long",
        ),
        (
            "reference",
            [limit("questionnaire-referenceResource", valueCode="Patient")],
            {"reference": "https://x.example/fhir/Patient/1"},
            {"reference": "Group/1"},
            "value",
        ),
    ],
)
def test_limits(type_, limits, right, wrong, code):
    more = limits if isinstance(limits, dict) else {"extension": limits}
    questionnaire = form(item("a", type_, **more))
    key = RIGHT[type_][0]
    assert found(questionnaire, given_item("a", (key, right))) == []
    assert found(questionnaire, given_item("a", (key, wrong))) == [
        (code, ".item[0].answer[0].value")
    ]


def test_what_cannot_be_compared_is_a_warning():
    questionnaire = form(
        item("a", "date", extension=[limit("minValue", valueDate="2026-05")]),
        item(
            "b",
            "quantity",
            extension=[limit(SDC + "minQuantity", valueQuantity={"value": 1, "code": "kg"})],
        ),
    )
    issues = check(
        questionnaire,
        response(
            given_item("a", ("valueDate", "2026")),
            given_item("b", ("valueQuantity", {"value": 1, "code": "[lb_av]"})),
        ),
    )
    assert [(issue.code, issue.severity) for issue in issues] == [
        ("not-supported", Severity.WARNING)
    ] * 2


def test_a_pattern_cannot_stall_the_server():
    questionnaire = form(item("a", extension=[limit("regex", valueString="(a+)+b")]))
    assert found(questionnaire, text("a", "a" * 100_000)) == [("value", ".item[0].answer[0].value")]
    assert found(questionnaire, text("a", "aab")) == []


def test_counts_within_counts_are_not_matched_with_what_would_take_long():
    """Twenty characters of a pattern, and seconds for one answer."""
    for pattern in ("(?:[a-z]{0,500}){0,100}!", "a{0,900}a{0,900}!", r"(\(?a{2,9}[)}]?){3000}"):
        questionnaire = form(item("a", extension=[limit("regex", valueString=pattern)]))
        (issue,) = check(questionnaire, response(text("a", "a" * 4000)))
        assert (issue.code, issue.severity) == ("not-supported", Severity.WARNING)
        assert found(questionnaire, text("a", "a")) == [("value", ".item[0].answer[0].value")]


@pytest.mark.parametrize(
    "pattern, answer",
    [("[^<>]{0,4000}", "a" * 4000), (r"([a-z0-9]{1,63}\.){1,8}ae", "clinic.example.ae")],
)
def test_ordinary_counts_are_matched(pattern, answer):
    questionnaire = form(item("a", extension=[limit("regex", valueString=pattern)]))
    assert found(questionnaire, text("a", answer)) == []
    assert found(questionnaire, text("a", f"{answer}<")) == [("value", ".item[0].answer[0].value")]


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "a)|(b", "["])
def test_a_pattern_that_is_not_regular_is_named_as_not_computed(pattern):
    questionnaire = form(item("a", extension=[limit("regex", valueString=pattern)]))
    (issue,) = check(questionnaire, response(text("a", "b")))
    assert (issue.code, issue.severity) == ("not-supported", Severity.WARNING)
    assert issue.expression == f"{ROOT}.descendants().where(linkId='a')"


def test_answers_are_counted():
    occurs = [
        limit("questionnaire-minOccurs", valueInteger=2),
        limit("questionnaire-maxOccurs", valueInteger=3),
    ]
    questionnaire = form(
        item("a", repeats=True, extension=occurs),
        item("g", "group", item("b"), repeats=True, extension=occurs),
    )
    group = {"linkId": "g", "item": [text("b")]}

    def counted(answers, groups):
        many = [("valueString", str(number)) for number in range(answers)]
        return found(questionnaire, given_item("a", *many), *[group] * groups)

    assert counted(2, 3) == counted(3, 2) == []
    assert counted(1, 1) == [("required", ".item[0]"), ("required", ".item[1]")]
    assert counted(4, 4) == [("structure", ".item[0]"), ("structure", ".item[1]")]
