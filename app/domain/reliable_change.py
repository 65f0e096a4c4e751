"""Whether a change is more than measurement error, and whether it crossed a cut-off.

Jacobson and Truax 1991 with the correction of Christensen and Mendoza 1986: the standard error of a
difference is ``sd * sqrt(2) * sqrt(1 - reliability)``. For the alliance only reliable change
applies; a class that speaks of recovery needs a cut-off that somebody published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.core.errors import AppError, Category, Issue
from app.domain.measure import ZERO, Direction, implausible, read, sample_sd, settle

_Z = Decimal("1.96")  # the two-sided 95 % of the normal distribution


class ChangeClass(StrEnum):
    """What a change amounts to."""

    RECOVERED = "recovered"
    IMPROVEMENT = "reliable-improvement"
    NO_CHANGE = "no-reliable-change"
    DETERIORATION = "reliable-deterioration"


@dataclass(frozen=True, slots=True)
class Distribution:
    """Mean and standard deviation of a population."""

    mean: Decimal
    sd: Decimal


@dataclass(frozen=True, slots=True)
class NormSet:
    """Named reference values of one scale, with their source.

    ``inclusive`` says whether a change equal to the criterion, and a score equal to the cut-off,
    count. ``confirmed`` says whether the values were read at their source.
    """

    name: str
    source: str
    confirmed: bool
    criterion: Decimal
    cutoff: Decimal | None = None
    inclusive: bool = False
    population: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Band:
    """A named band of a scale, from ``low`` up to the next band."""

    code: str
    display: str
    low: Decimal


@dataclass(frozen=True, slots=True)
class Norms:
    """What is known of one scale: norm sets, and bands from low to high."""

    url: str
    version: str
    instrument: str
    scale: str
    direction: Direction
    sets: tuple[NormSet, ...] = ()
    bands: tuple[Band, ...] = ()

    def band(self, value: Decimal) -> Band | None:
        """The band that a value falls into."""
        return next((band for band in reversed(self.bands) if value >= band.low), None)


@dataclass(frozen=True, slots=True)
class Change:
    """A change and what it amounts to.

    ``sem`` and ``sdiff`` are in units of the scale, ``rc`` is (post - pre) / sdiff with its sign;
    they are absent where no SD and reliability were given. ``cut_a`` is two SD better than the
    dysfunctional mean, ``cut_b`` two SD worse than the functional one, ``cut_c`` between both.
    """

    sem: Decimal | None
    sdiff: Decimal | None
    rc: Decimal | None
    criterion: Decimal
    verdict: ChangeClass
    cut_a: Decimal | None
    cut_b: Decimal | None
    cut_c: Decimal | None


def norms(definition: Mapping[str, Any]) -> Norms:
    """The norms that a definition document describes."""
    return read(Norms, definition)


def reliable_change(
    pre: Decimal,
    post: Decimal,
    *,
    direction: Direction,
    sd: Decimal | None = None,
    reliability: Decimal | None = None,
    criterion: Decimal | None = None,
    cutoff: Decimal | None = None,
    inclusive: bool = False,
    dysfunctional: Distribution | None = None,
    functional: Distribution | None = None,
) -> Change:
    """Classify the change from ``pre`` to ``post``.

    ``criterion`` is the smallest reliable change; without it, 1.96 sdiff. ``cutoff`` is the border
    of the functional range; without it, cut c where both distributions are given. Raises
    ``unprocessable`` with every argument that is missing or out of range.
    """
    _check(
        sd=sd,
        reliability=reliability,
        criterion=criterion,
        scores=(pre, post, cutoff),
        populations=[each for each in (dysfunctional, functional) if each],
    )
    sem = sdiff = rc = None
    if sd is not None and reliability is not None:
        sem = sd * (1 - reliability).sqrt()
        sdiff = sd * (2 * (1 - reliability)).sqrt()
        rc = (post - pre) / sdiff
    limit = _Z * (sdiff or ZERO) if criterion is None else criterion
    sign = 1 if direction is Direction.HIGHER else -1
    cut_a = cut_b = cut_c = None
    if dysfunctional:
        cut_a = dysfunctional.mean + 2 * sign * dysfunctional.sd
    if functional:
        cut_b = functional.mean - 2 * sign * functional.sd
    if dysfunctional and functional:
        crossed = functional.sd * dysfunctional.mean + dysfunctional.sd * functional.mean
        cut_c = crossed / (functional.sd + dysfunctional.sd)
    border = cut_c if cutoff is None else cutoff
    verdict = _classify(
        sign * pre,
        sign * post,
        criterion=limit,
        border=None if border is None else sign * border,
        inclusive=inclusive,
    )
    return Change(sem, sdiff, rc, limit, verdict, cut_a, cut_b, cut_c)


def _classify(
    pre: Decimal, post: Decimal, *, criterion: Decimal, border: Decimal | None, inclusive: bool
) -> ChangeClass:
    # Higher is better here.
    def reaches(value: Decimal, limit: Decimal) -> bool:
        value, limit = settle(value), settle(limit)
        return value >= limit if inclusive else value > limit

    if reaches(pre - post, criterion):
        return ChangeClass.DETERIORATION
    if not reaches(post - pre, criterion):
        return ChangeClass.NO_CHANGE
    if border is not None and reaches(post, border) and not reaches(pre, border):
        return ChangeClass.RECOVERED
    return ChangeClass.IMPROVEMENT


def alpha(rows: Sequence[Sequence[Decimal]]) -> Decimal | None:
    """Cronbach's alpha of a table of persons by items; none where it is undefined."""
    if len(rows) < 2 or len(rows[0]) < 2:
        return None
    items = len(rows[0])
    total = sample_sd([sum(row, ZERO) for row in rows]) ** 2
    if total == 0:
        return None
    parts = sum((sample_sd(column) ** 2 for column in zip(*rows, strict=True)), ZERO)
    return Decimal(items) / (items - 1) * (1 - parts / total)


def _check(
    *,
    sd: Decimal | None,
    reliability: Decimal | None,
    criterion: Decimal | None,
    scores: Sequence[Decimal | None],
    populations: Sequence[Distribution],
) -> None:
    spreads = [population.sd for population in populations]
    issues = implausible("", *scores, sd, criterion, *spreads, *(each.mean for each in populations))
    if (sd is None or reliability is None) and criterion is None:
        issues.append(Issue("required", "sd and reliability, or criterion, are needed"))
    if sd is not None and sd <= 0:
        issues.append(Issue("value", "sd must be above 0", "sd"))
    if reliability is not None and not 0 <= reliability < 1:
        issues.append(Issue("value", "reliability must be at least 0 and below 1", "reliability"))
    if criterion is not None and criterion <= 0:
        issues.append(Issue("value", "criterion must be above 0", "criterion"))
    if any(spread <= 0 for spread in spreads):
        issues.append(Issue("value", "the SD of a population must be above 0"))
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
