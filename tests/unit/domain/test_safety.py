"""Which answers call for whom."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.core.errors import AppError
from app.domain.safety import Recipient, concerns, safety_rules

LEAD = {"recipient": "clinical-lead", "hours": 24}


def rules(*each):
    return safety_rules(
        {"url": "http://x", "version": "1", "questionnaire": "http://q|1", "rules": list(each)}
    )


def rule(**more):
    return {"item": "1", "concern": "c", "labels": ["V"], "notices": [LEAD], **more}


@pytest.mark.parametrize(
    "weight, met", [(None, False), (Decimal(2), False), (Decimal(3), True), (Decimal(4), True)]
)
def test_a_weight_from_a_level_on(weight, met):
    found = concerns(rules(rule(least=3)), codes={}, weights={"1": weight})
    assert bool(found) is met


def test_a_code_and_no_other():
    given = rules(rule(code="yes"))
    assert concerns(given, codes={"1": "yes"}, weights={})
    assert not concerns(given, codes={"1": "no", "2": "yes"}, weights={})
    assert not concerns(given, codes={}, weights={"1": Decimal(1)})


def test_a_definition_is_read_whole():
    (only,) = rules(rule(code="yes", rated=True)).rules
    assert only.rated
    assert only.notices[0].recipient is Recipient.LEAD
    assert rules(rule(least=1)).canonical == "http://x|1"


@pytest.mark.parametrize(
    "broken, place",
    [
        (rule(), "rules[0]"),
        (rule(code="yes", least=1), "rules[0]"),
        (rule(code="yes", notices=[{"recipient": "clinical-lead"}]), "rules[0].notices"),
    ],
)
def test_what_calls_nobody_to_act_is_refused(broken, place):
    with pytest.raises(AppError) as caught:
        rules(broken)
    assert [issue.expression for issue in caught.value.issues] == [place]


def test_every_missing_member_is_told():
    with pytest.raises(AppError) as caught:
        safety_rules({"url": "http://x", "rules": [{"item": "1"}]})
    places = {issue.expression for issue in caught.value.issues}
    assert places >= {"version", "questionnaire", "rules[0].concern", "rules[0].notices"}
