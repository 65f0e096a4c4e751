"""From answers to scores, by a scoring key that is data.

A missing answer is never a zero: a scale has enough answers, or it has no value. Scales made of
items are ``sum`` (prorated where the key says so) or ``mean``, carried from the range of the items
to that of the scale; scales made of members are the ``sum`` or ``mean`` of those that exist. Values
keep full precision; rounding is for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.core.errors import AppError, Category, Issue
from app.domain.measure import ZERO, Direction, Rater, read

# The score is expected to exist and is not known, in the words of data-absent-reason.
INCOMPLETE = "unknown"


class Method(StrEnum):
    """How the parts of a scale are joined."""

    SUM = "sum"
    MEAN = "mean"


@dataclass(frozen=True, slots=True)
class Range:
    """The lowest and the highest answer of an item."""

    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Coding:
    """A code of a published system for a scale."""

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Scale:
    """One scale of an instrument.

    It has ``items`` (linkIds) or ``members`` (codes of scales above it in the key), and needs
    ``minimum`` of them; ``requires`` names scales without which it does not exist. ``low`` and
    ``high`` are the ends of its range.
    """

    code: str
    method: Method
    minimum: int
    low: Decimal
    high: Decimal
    items: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    prorate: bool = False
    coding: tuple[Coding, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoringKey:
    """How the answers to one version of an instrument become scores."""

    url: str
    version: str
    instrument: str
    questionnaire: str
    family: str
    rater: Rater
    direction: Direction
    validated: bool
    range: Range
    scales: tuple[Scale, ...]
    reversed: frozenset[str] = field(default_factory=frozenset)

    @property
    def canonical(self) -> str:
        """The address that a score names."""
        return f"{self.url}|{self.version}"

    @property
    def items(self) -> tuple[str, ...]:
        """Every scored linkId, in the order of the key."""
        return tuple(dict.fromkeys(item for scale in self.scales for item in scale.items))

    def scale(self, code: str) -> Scale | None:
        """The scale of that code."""
        return next((scale for scale in self.scales if scale.code == code), None)


@dataclass(frozen=True, slots=True)
class Score:
    """One scale of one form.

    ``value`` is absent where too little was answered, and ``missing`` then gives the
    data-absent-reason. ``answered`` counts the items answered of ``items``; ``prorated`` those
    filled in. ``straight_line`` is about the form: the same answer to every item, reversed ones
    too. ``members`` are the codes of the scales it is made of.
    """

    instrument: str
    scale: str
    value: Decimal | None
    answered: int
    items: int
    missing: str | None = None
    prorated: int = 0
    straight_line: bool = False
    members: tuple[str, ...] = ()


def scoring_key(definition: Mapping[str, Any]) -> ScoringKey:
    """The key that a definition document describes; ``unprocessable`` with all that is wrong."""
    key = read(ScoringKey, definition)
    issues = tuple(_contradictions(key))
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return key


def score(key: ScoringKey, answers: Mapping[str, Decimal | None]) -> tuple[Score, ...]:
    """The scores of one form, in the order of the key.

    ``answers`` are raw answers by linkId, as the client gave them; absent and ``None`` both mean
    missing, other linkIds are of no concern. Raises ``unprocessable`` for an answer outside the
    range of the key.
    """
    given = {item: value for item in key.items if (value := answers.get(item)) is not None}
    low, high = key.range.low, key.range.high
    outside = [item for item, value in given.items() if not low <= value <= high]
    if outside:
        raise AppError(
            Category.UNPROCESSABLE,
            [Issue("value", f"item {item} is outside the range of the key") for item in outside],
        )
    turned = {
        item: low + high - value if item in key.reversed else value for item, value in given.items()
    }
    same = _is_straight(key, given)
    scores: dict[str, Score] = {}
    for scale in key.scales:
        made = _of_items(key, scale, turned) if scale.items else _of_members(scale, scores)
        scores[scale.code] = Score(
            instrument=key.instrument,
            scale=scale.code,
            value=made.value,
            answered=made.answered,
            items=made.items,
            missing=INCOMPLETE if made.value is None else None,
            prorated=made.prorated,
            straight_line=same,
            members=scale.members,
        )
    return tuple(scores.values())


def weakest(key: ScoringKey, scores: tuple[Score, ...]) -> Score | None:
    """The lowest of the scales made of items (the highest where lower is better); ties by order."""
    parts = {scale.code for scale in key.scales if scale.items}
    scored = [score for score in scores if score.scale in parts and score.value is not None]
    sign = 1 if key.direction is Direction.HIGHER else -1
    return min(scored, key=lambda score: sign * (score.value or ZERO), default=None)


@dataclass(frozen=True, slots=True)
class _Made:
    value: Decimal | None
    answered: int
    items: int
    prorated: int = 0


def _of_items(key: ScoringKey, scale: Scale, turned: Mapping[str, Decimal]) -> _Made:
    values = [turned[item] for item in scale.items if item in turned]
    answered, items = len(values), len(scale.items)
    if answered < scale.minimum:
        return _Made(None, answered, items)
    total = sum(values, ZERO)
    if scale.method is Method.MEAN:
        # One division, so that the value does not depend on the order of the items.
        low, high = key.range.low, key.range.high
        value = scale.low + (total - low * answered) * (scale.high - scale.low) / (
            (high - low) * answered
        )
        return _Made(value, answered, items)
    if answered == items:
        return _Made(total, answered, items)
    # A key whose sums neither need all of their items nor prorate was refused.
    return _Made(total * items / answered, answered, items, items - answered)


def _of_members(scale: Scale, scores: Mapping[str, Score]) -> _Made:
    parts = [scores[member] for member in scale.members]
    values = [part.value for part in parts if part.value is not None]
    answered, items = sum(part.answered for part in parts), sum(part.items for part in parts)
    if len(values) < scale.minimum or any(scores[code].value is None for code in scale.requires):
        return _Made(None, answered, items)
    total = sum(values, ZERO)
    value = total if scale.method is Method.SUM else total / len(values)
    return _Made(value, answered, items, sum(part.prorated for part in parts))


def _is_straight(key: ScoringKey, given: Mapping[str, Decimal]) -> bool:
    complete = len(given) == len(key.items)
    return bool(key.reversed) and complete and len(set(given.values())) == 1


def _contradictions(key: ScoringKey) -> list[Issue]:
    issues = []
    if key.range.low >= key.range.high:
        issues.append(Issue("invariant", "the range is empty", "range"))
    if not key.reversed <= set(key.items):
        issues.append(Issue("invariant", "a reversed item belongs to no scale", "reversed"))
    above: dict[str, Scale] = {}
    for number, scale in enumerate(key.scales):
        place = f"scales[{number}]"
        parts = scale.items or scale.members
        if bool(scale.items) == bool(scale.members):
            issues.append(Issue("invariant", "a scale has either items or members", place))
        if len(set(parts)) != len(parts):
            issues.append(Issue("duplicate", "a part is named twice", place))
        if not 1 <= scale.minimum <= max(len(parts), 1):
            issues.append(Issue("invariant", "the minimum exceeds the parts", f"{place}.minimum"))
        if scale.code in above:
            issues.append(Issue("duplicate", "a scale is defined twice", f"{place}.code"))
        if any(code not in above for code in scale.members + scale.requires):
            issues.append(Issue("not-found", "members and requires name scales further up", place))
        prorates = scale.prorate and bool(scale.items)
        if scale.method is Method.SUM and not prorates and scale.minimum != len(parts):
            # Else a sum would count a missing answer as nothing.
            issues.append(
                Issue("invariant", "a sum needs all of its parts or prorates", f"{place}.minimum")
            )
        above[scale.code] = scale
    return issues
