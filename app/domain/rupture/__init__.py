"""Ten rules that notice a drop in the alliance.

Each rule looks at the scores of one series in session order. A session without a score is missing:
it is neither a drop nor a return, and windows, baselines and "the session before" count the
sessions that have a score, so nobody is called unrepaired for not having been asked. Every rule but
``retrospective-residual`` is prospective: a later session never changes a flag or its limit, only
whether the drop has been repaired.

Different rules find different sessions in the same series, so a flag is worth nothing without the
rule, its version and its parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from app.core.errors import AppError, Category
from app.domain.measure import Point, implausible
from app.domain.rupture.model import (
    Detection,
    Flag,
    LiveRule,
    Parameters,
    Repair,
    Rule,
    RuleSet,
    parameters,
    problems,
    rule_set,
)
from app.domain.rupture.repair import noticed
from app.domain.rupture.rules import RULES

__all__ = [
    "Detection",
    "Flag",
    "LiveRule",
    "Parameters",
    "Repair",
    "Rule",
    "RuleSet",
    "detect",
    "parameters",
    "rule_set",
]


def detect(rule: Rule, values: Sequence[Decimal | None], parameters: Parameters) -> Detection:
    """Run one rule over a series; ``values`` in session order, ``None`` where there is no score.

    ``congruence-gap`` takes the distances between two raters, ``self-report`` the answers to the
    question about tension. Raises ``unprocessable`` with every parameter that is missing or wrong.
    """
    issues = problems(rule, parameters) + implausible("value", *values)
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    points = [Point(session, value) for session, value in enumerate(values, 1) if value is not None]
    judged = tuple(RULES[rule](points, parameters))
    return Detection(
        evaluable=tuple(session for session, _ in judged),
        flags=tuple(noticed(rule, flag, points, parameters) for _, flag in judged if flag),
        missing=tuple(session for session, value in enumerate(values, 1) if value is None),
    )
