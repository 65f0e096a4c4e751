"""Answers that somebody must hear of soon, by rules that are data.

A rule looks at the answer to one item: a code, or a weight from a level on. It names the concern,
who is told and by when, and how confidential what it makes will be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.core.errors import AppError, Category, Issue
from app.domain.measure import read


class Recipient(StrEnum):
    """Who is told."""

    THERAPIST = "treating-therapist"
    LEAD = "clinical-lead"


@dataclass(frozen=True, slots=True)
class Notice:
    """One person to tell: with ``hours`` to act in, or, without, for their knowledge."""

    recipient: Recipient
    hours: int | None = None


@dataclass(frozen=True, slots=True)
class SafetyRule:
    """What an item's answer calls for.

    The answer counts where it is ``code``, or weighs ``least`` or more. ``rated`` tells that the
    concern is about whom the form rates, who is then not told. ``labels`` are codes of
    v3-Confidentiality and v3-ActCode.
    """

    item: str
    concern: str
    notices: tuple[Notice, ...]
    labels: tuple[str, ...]
    code: str | None = None
    least: Decimal | None = None
    rated: bool = False


@dataclass(frozen=True, slots=True)
class SafetyRules:
    """The safety rules of one version of a questionnaire."""

    url: str
    version: str
    questionnaire: str
    rules: tuple[SafetyRule, ...]

    @property
    def canonical(self) -> str:
        """The address that a flag names."""
        return f"{self.url}|{self.version}"


def safety_rules(definition: Mapping[str, Any]) -> SafetyRules:
    """The rules that a definition document describes; ``unprocessable`` with all problems."""
    rules = read(SafetyRules, definition)
    issues = []
    for number, rule in enumerate(rules.rules):
        if (rule.code is None) == (rule.least is None):
            issues.append(Issue("invariant", "a rule has either code or least", f"rules[{number}]"))
        if not any(notice.hours for notice in rule.notices):
            issues.append(
                Issue("invariant", "somebody must have to act", f"rules[{number}].notices")
            )
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return rules


def concerns(
    rules: SafetyRules, *, codes: Mapping[str, str], weights: Mapping[str, Decimal | None]
) -> tuple[SafetyRule, ...]:
    """The rules that answers meet: the code chosen and its raw weight, by linkId."""
    return tuple(rule for rule in rules.rules if _is_met(rule, codes, weights))


def _is_met(
    rule: SafetyRule, codes: Mapping[str, str], weights: Mapping[str, Decimal | None]
) -> bool:
    if rule.code is not None:
        return codes.get(rule.item) == rule.code
    weight = weights.get(rule.item)
    return rule.least is not None and weight is not None and weight >= rule.least
