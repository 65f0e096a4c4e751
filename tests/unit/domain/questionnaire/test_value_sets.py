"""Value sets, contained and elsewhere."""

from __future__ import annotations

import pytest

from app.core.errors import Severity
from app.domain.questionnaire import check
from tests.unit.domain.questionnaire.forms import (
    coding,
    form,
    found,
    given_item,
    item,
    problems,
    response,
)


def value_set(id_="v", **more):
    return {"resourceType": "ValueSet", "id": id_, "status": "active"} | more


def listed(system, *codes):
    return {"system": system, "concept": [{"code": code} for code in codes]}


@pytest.mark.parametrize(
    "contained, inside, outside",
    [
        ([value_set(compose={"include": [listed("s", "x", "y")]})], "x", "z"),
        (
            [
                value_set(
                    compose={"include": [listed("s", "x", "y")], "exclude": [listed("s", "y")]}
                )
            ],
            "x",
            "y",
        ),
        (
            [
                value_set(
                    expansion={
                        "contains": [
                            {
                                "system": "s",
                                "code": "top",
                                "abstract": True,
                                "contains": [{"system": "s", "code": "x"}],
                            }
                        ]
                    }
                )
            ],
            "x",
            "top",
        ),
        (
            [
                value_set(compose={"include": [{"system": "s"}]}),
                {
                    "resourceType": "CodeSystem",
                    "id": "c",
                    "url": "s",
                    "content": "complete",
                    "concept": [{"code": "up", "concept": [{"code": "x"}]}],
                },
            ],
            "x",
            "z",
        ),
        (
            [
                value_set(compose={"include": [{"valueSet": ["#w", "#u"]}]}),
                value_set("w", compose={"include": [listed("s", "x", "y")]}),
                value_set("u", compose={"include": [listed("s", "x", "z")]}),
            ],
            "x",
            "y",
        ),
    ],
    ids=["list", "exclude", "expansion", "code-system", "intersection"],
)
def test_a_contained_value_set_is_computed(contained, inside, outside):
    questionnaire = form(item("a", "choice", answerValueSet="#v"), contained=contained)
    assert found(questionnaire, given_item("a", ("valueCoding", coding(inside)))) == []
    assert found(questionnaire, given_item("a", ("valueCoding", coding(outside)))) == [
        ("code-invalid", ".item[0].answer[0].value")
    ]


@pytest.mark.parametrize(
    "include",
    [
        {"system": "s"},
        {"system": "s", "filter": [{"property": "p", "op": "=", "value": "v"}]},
        {"valueSet": ["https://x.example/ValueSet/far"]},
        {"valueSet": ["#v"]},
    ],
)
def test_what_cannot_be_computed_is_asked_and_never_passed_in_silence(include):
    address = "https://x.example/ValueSet/v"
    questionnaire = form(
        item("a", "choice", answerValueSet="#v"),
        contained=[value_set(url=address, compose={"include": [include]})],
    )
    answered = response(given_item("a", ("valueCoding", coding("x"))))
    (issue,) = check(questionnaire, answered)
    assert (issue.code, issue.severity) == ("not-supported", Severity.WARNING)
    asked = []

    def knows(canonical, value):
        asked.append(canonical)
        return value["code"] == "x"

    assert check(questionnaire, answered, terminology=knows) == []
    assert asked == [address]
    other = response(given_item("a", ("valueCoding", coding("y"))))
    assert problems(check(questionnaire, other, terminology=knows)) == [
        ("code-invalid", ".item[0].answer[0].value")
    ]


def test_a_value_set_elsewhere_is_asked_by_its_address():
    questionnaire = form(item("a", "choice", answerValueSet="https://x.example/ValueSet/v|2"))
    answered = response(given_item("a", ("valueCoding", coding("x"))))
    known = {"https://x.example/ValueSet/v|2": False}
    ask = lambda canonical, _: known.get(canonical)  # noqa: E731
    assert problems(check(questionnaire, answered, terminology=ask)) == [
        ("code-invalid", ".item[0].answer[0].value")
    ]


def test_value_sets_that_take_each_other_in_by_twos_are_computed_once():
    chain = [
        value_set(f"v{n}", compose={"include": [{"valueSet": [f"#v{n + 1}", f"#v{n + 1}"]}]})
        for n in range(60)
    ]
    last = value_set("v60", compose={"include": [listed("s", "x")]})
    questionnaire = form(item("a", "choice", answerValueSet="#v0"), contained=[*chain, last])
    assert found(questionnaire, given_item("a", ("valueCoding", coding("x")))) == []
