"""Expected trajectories: a score held against what is usual at this session.

Clients who came with a similar score follow a curve; a score within its tolerance is green, below
it orange, far below it red. The curves are norm data that their owners keep, so only the mechanism
is here, with a table that the clinic supplies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.domain.measure import Direction, Point, read


class Signal(StrEnum):
    """Where a score stands; ``grey`` where nothing can be said."""

    GREY = "grey"
    GREEN = "green"
    ORANGE = "orange"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Expectation:
    """One row: from this intake score on, at this session, the target and its lower tolerance."""

    intake: Decimal
    session: int
    target: Decimal
    lower: Decimal


@dataclass(frozen=True, slots=True)
class Table:
    """The expectations of one scale; ``cutoff`` is the border of the functional range."""

    url: str
    version: str
    instrument: str
    scale: str
    direction: Direction
    rows: tuple[Expectation, ...]
    cutoff: Decimal | None = None

    def expectation(self, intake: Decimal, session: int) -> Expectation | None:
        """The row of the highest intake not above this one, at the last session not after it."""
        near = [row for row in self.rows if row.intake <= intake and row.session <= session]
        return max(near, key=lambda row: (row.intake, row.session), default=None)


@dataclass(frozen=True, slots=True)
class Standing:
    """What was to be expected of a session, and where its score stands."""

    target: Decimal
    lower: Decimal
    signal: Signal


def table(definition: Mapping[str, Any]) -> Table:
    """The table that a definition document describes."""
    return read(Table, definition)


def signal(table: Table, intake: Decimal | None, session: int, value: Decimal | None) -> Signal:
    """Where the score of a session stands; the first session has nothing to be held against."""
    if value is None or intake is None or session <= 1:
        return Signal.GREY
    sign = 1 if table.direction is Direction.HIGHER else -1
    if table.cutoff is not None and sign * value >= sign * table.cutoff:
        return Signal.GREEN
    row = table.expectation(intake, session)
    if row is None:
        return Signal.GREY
    if sign * value >= sign * row.target:
        return Signal.GREEN
    return Signal.ORANGE if sign * value >= sign * row.lower else Signal.RED


def standings(table: Table, points: Sequence[Point]) -> Mapping[int, Standing]:
    """Where the scores after the first, which is the intake's, stand by session.

    Sessions for which the table has no row are left out.
    """
    if not points:
        return {}
    intake, *later = points
    found = ((point, table.expectation(intake.value, point.session)) for point in later)
    return {
        point.session: Standing(
            row.target, row.lower, signal(table, intake.value, point.session, point.value)
        )
        for point, row in found
        if row is not None
    }
