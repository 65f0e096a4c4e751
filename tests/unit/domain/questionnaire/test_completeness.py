"""What is required, and when that binds."""

from __future__ import annotations

import pytest

from app.core.errors import Severity
from app.domain.questionnaire import check
from tests.unit.domain.questionnaire.forms import (
    form,
    found,
    given_item,
    item,
    response,
    text,
)


def test_what_is_required_is_named_even_where_it_is_absent():
    questionnaire = form(
        item("it's", required=True),
        item("g", "group", item("a", required=True), required=True),
        item("h", "group", item("b", required=True)),
        item("q", "string", item("n", required=True)),
    )
    assert found(questionnaire) == [
        ("required", ".item.where(linkId='it\\'s')"),
        ("required", ".item.where(linkId='g')"),
    ]
    assert found(
        questionnaire, given_item("it's"), {"linkId": "g"}, {"linkId": "h", "item": []}, text("q")
    ) == [
        ("required", ".item[0]"),
        ("required", ".item[1]"),
        ("required", ".item[1].item.where(linkId='a')"),
        ("required", ".item[2].item.where(linkId='b')"),
        ("required", ".item[3].answer[0].item.where(linkId='n')"),
    ]


@pytest.mark.parametrize("status", ["in-progress", "stopped", "entered-in-error"])
def test_completeness_binds_only_when_completed_or_amended(status):
    questionnaire = form(item("a", required=True), item("b", "integer"))
    assert {issue.severity for issue in check(questionnaire, response(status="amended"))} == {
        Severity.ERROR
    }
    issues = check(questionnaire, response(text("b"), text("x"), status=status))
    assert [(issue.code, issue.severity) for issue in issues] == [
        ("value", Severity.ERROR),
        ("not-found", Severity.ERROR),
        ("required", Severity.WARNING),
    ]
