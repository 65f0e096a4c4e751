"""Constraints, the head of a response, and words that tell nothing."""

from __future__ import annotations

from app.core.errors import Severity
from app.domain.questionnaire import check
from tests.unit.domain.questionnaire.forms import (
    ROOT,
    STANDARD,
    coding,
    form,
    found,
    given_item,
    item,
    options,
    problems,
    response,
    text,
)


def constraint(expression, severity="error"):
    parts = [
        {"url": "key", "valueId": "c-1"},
        {"url": "severity", "valueCode": severity},
        {"url": "expression", "valueString": expression},
        {"url": "human", "valueString": "a and b go together"},
    ]
    return {"url": STANDARD + "questionnaire-constraint", "extension": parts}


def test_a_constraint_is_computed_where_its_path_can_be():
    both = "item.where(linkId='a').exists() and item.where(linkId='b').exists()"
    questionnaire = form(item("a"), item("b"), extension=[constraint(both)])
    assert found(questionnaire, text("a"), text("b")) == []
    (issue,) = check(questionnaire, response(text("a")))
    assert (issue.code, issue.expression, issue.severity) == ("invariant", ROOT, Severity.ERROR)
    assert issue.diagnostics == "a and b go together"
    (draft,) = check(questionnaire, response(text("a"), status="in-progress"))
    assert draft.severity is Severity.WARNING


def test_a_constraint_of_an_item_looks_at_each_occurrence():
    questionnaire = form(
        item(
            "g",
            "group",
            item("a"),
            item("b"),
            repeats=True,
            extension=[constraint("item.where(linkId='b').exists()", "warning")],
        )
    )
    issues = check(
        questionnaire,
        response({"linkId": "g", "item": [text("b")]}, {"linkId": "g", "item": [text("a")]}),
    )
    assert [(issue.expression, issue.severity) for issue in issues] == [
        (f"{ROOT}.item[1]", Severity.WARNING)
    ]


def test_a_constraint_beyond_the_subset_is_named_as_not_computed():
    questionnaire = form(item("a"), extension=[constraint("%resource.item.count() > 1")])
    (issue,) = check(questionnaire, response(text("a")))
    assert (issue.code, issue.severity) == ("not-supported", Severity.WARNING)
    assert "c-1" in issue.diagnostics


def test_the_subject_is_of_a_type_that_the_questionnaire_is_about():
    questionnaire = form(item("a"), subjectType=["Patient"])
    assert found(questionnaire, subject={"reference": "Patient/1"}) == []
    assert found(questionnaire) == []
    for subject in (
        {"reference": "Group/1"},
        {"reference": "https://x.example/fhir/Group/1"},
        {"type": "Group", "identifier": {"value": "1"}},
    ):
        assert found(questionnaire, subject=subject) == [("invariant", ".subject")]
    assert problems(check(questionnaire, response(), subject_type="Group")) == [
        ("invariant", ".subject")
    ]


def test_a_draft_and_an_answer_out_of_its_time_are_warnings():
    questionnaire = form(
        item("a"), status="draft", effectivePeriod={"start": "2026-01-01", "end": "2026-12"}
    )
    assert found(questionnaire, authored="2026-12-31") == [("business-rule", ".questionnaire")]
    for authored in ("2025-12-31", "2027-01-01T00:00:00Z"):
        issues = check(questionnaire, response(authored=authored))
        assert problems(issues)[1:] == [("business-rule", ".authored")]
        assert {issue.severity for issue in issues} == {Severity.WARNING}


def test_no_diagnostics_repeat_an_answer():
    secret = "what-nobody-may-read"
    questionnaire = form(
        item("a", "choice", answerOption=options("x")),
        item("b", maxLength=3),
        item("c", "integer"),
    )
    issues = check(
        questionnaire,
        response(
            given_item("a", ("valueCoding", coding(secret))),
            text("b", secret),
            text("c", secret),
            text(secret),
        ),
    )
    assert len(issues) == 4
    assert all(secret not in issue.diagnostics + issue.expression for issue in issues)
