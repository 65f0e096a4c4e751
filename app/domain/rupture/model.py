"""The words of the rules: their names, parameters, flags, and the live rules of an instrument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from app.core.errors import AppError, Category, Issue
from app.domain.measure import ZERO, implausible, read


class Rule(StrEnum):
    """Codes of ``/CodeSystem/rupture-rule``."""

    BELOW_CUTOFF = "below-cutoff"
    STEP_DROP = "step-drop"
    TRAILING_BASELINE = "trailing-baseline"
    CONTROL_CHART = "control-chart"
    V_EPISODE = "v-episode"
    STRICTER_OF_TWO = "stricter-of-two"
    RETROSPECTIVE_RESIDUAL = "retrospective-residual"
    RELIABLE_DROP = "reliable-drop"
    SELF_REPORT = "self-report"
    CONGRUENCE_GAP = "congruence-gap"


class Repair(StrEnum):
    """How a drop went on; ``open`` while its window runs."""

    OPEN = "open"
    REPAIRED = "repaired"
    UNREPAIRED = "unrepaired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The parameters of all rules, by the names of ``$detect-ruptures`` in camel case.

    ``k`` multiplies a spread; ``floor`` is the least distance from the baseline; ``minPrior`` the
    scores needed before a session can be judged; ``baseline`` the scores that make the chart's
    limit; ``drop`` the size of a drop or of a widening; ``tolerance`` how near to the level before
    counts as back; ``window`` the sessions allowed for it; ``cutoff`` the border and ``inclusive``
    whether a score on it is below; ``criterion`` the reliable change; ``sdBetween`` the spread
    between persons. What a rule needs and does not find is refused, the rest has the default here.
    """

    k: Decimal | None = None
    floor: Decimal = ZERO
    minPrior: int = 3  # noqa: N815 - the operation's own name
    baseline: int = 5
    drop: Decimal | None = None
    tolerance: Decimal = ZERO
    window: int = 3
    reference: Literal["previous", "maximum"] = "previous"
    cutoff: Decimal | None = None
    inclusive: bool = False
    criterion: Decimal | None = None
    sdBetween: Decimal | None = None  # noqa: N815


@dataclass(frozen=True, slots=True)
class Flag:
    """A session that a rule stopped at.

    ``limit`` is what the score was held against; ``pre`` the level before the drop; ``status`` how
    it went on and ``repaired_at`` the session that repaired it, which a retrospective rule does not
    tell. A V episode also has the lowest score of the episode, ``nadir``.
    """

    session: int
    limit: Decimal
    pre: Decimal | None = None
    status: Repair | None = None
    nadir: Decimal | None = None
    repaired_at: int | None = None


@dataclass(frozen=True, slots=True)
class Detection:
    """What a rule saw: the sessions it could judge, those it flagged, those without a score."""

    evaluable: tuple[int, ...]
    flags: tuple[Flag, ...]
    missing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LiveRule:
    """A rule with the parameters it runs with."""

    rule: Rule
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The live rules of one scale of an instrument.

    With ``against``, the rules run on the distance between the scores of ``instrument`` and those
    of the instrument named there, session by session.
    """

    url: str
    version: str
    instrument: str
    scale: str
    rules: tuple[LiveRule, ...]
    against: str | None = None

    @property
    def canonical(self) -> str:
        """The address that an alert names."""
        return f"{self.url}|{self.version}"


def rule_set(definition: Mapping[str, Any]) -> RuleSet:
    """The live rules that a definition document describes; ``unprocessable`` with all problems."""
    rules = read(RuleSet, definition)
    issues = [
        issue
        for number, live in enumerate(rules.rules)
        for issue in problems(live.rule, live.parameters, f"rules[{number}].parameters.")
    ]
    if any(live.rule is Rule.RETROSPECTIVE_RESIDUAL for live in rules.rules):
        issues.append(Issue("business-rule", "a retrospective rule is never live", "rules"))
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return rules


def parameters(members: Mapping[str, Any]) -> Parameters:
    """Parameters by the names of ``$detect-ruptures``."""
    return read(Parameters, members)


_NEEDS: Mapping[Rule, tuple[str, ...]] = {
    Rule.BELOW_CUTOFF: ("cutoff",),
    Rule.STEP_DROP: ("drop",),
    Rule.V_EPISODE: ("drop",),
    Rule.STRICTER_OF_TWO: ("sdBetween",),
    Rule.RELIABLE_DROP: ("criterion",),
    Rule.CONGRUENCE_GAP: ("drop",),
}


def problems(rule: Rule, given: Parameters, place: str = "") -> list[Issue]:
    """Every parameter that the rule needs and lacks, or that no rule can work with."""
    sizes = {
        name: value
        for name in ("k", "floor", "drop", "tolerance", "cutoff", "criterion", "sdBetween")
        if (value := getattr(given, name)) is not None
    }
    issues = implausible(place, *sizes.values())
    issues += [
        Issue("required", f"{rule} needs {name}", f"{place}{name}")
        for name in _NEEDS.get(rule, ())
        if name not in sizes
    ]
    issues += [
        Issue("value", f"{name} must be above 0", f"{place}{name}")
        for name in ("drop", "criterion", "sdBetween")
        if name in sizes and sizes[name] <= 0
    ]
    issues += [
        Issue("value", f"{name} must not be below 0", f"{place}{name}")
        for name in ("k", "floor", "tolerance")
        if name in sizes and sizes[name] < 0
    ]
    issues += [
        Issue("value", f"{name} must be at least {least}", f"{place}{name}")
        for name, least in (("minPrior", 2), ("baseline", 2), ("window", 1))
        if getattr(given, name) < least
    ]
    return issues
