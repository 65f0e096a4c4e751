"""Goal attainment scaling: how far agreed goals were reached, as one number.

Kiresuk and Sherman 1968: levels from -2 (much less than expected) to 2 (much more), 0 as expected;
T has mean 50 and standard deviation 10 where goals correlate by ``RHO``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.core.errors import AppError, Category
from app.domain.measure import ZERO

RHO = Decimal("0.3")


@dataclass(frozen=True, slots=True)
class Attainment:
    """One goal: the level reached, from -2 to 2, and the weight of the goal."""

    level: int
    weight: Decimal = Decimal(1)


def attainment_t(goals: Sequence[Attainment]) -> Decimal | None:
    """The T score of a set of goals; none without goals.

    Raises ``unprocessable`` for a level outside -2 to 2 or a weight that is not above 0.
    """
    if any(not -2 <= goal.level <= 2 for goal in goals):
        raise AppError.of(Category.UNPROCESSABLE, "value", "a level is from -2 to 2")
    if any(goal.weight <= 0 for goal in goals):
        raise AppError.of(Category.UNPROCESSABLE, "value", "a weight is above 0")
    if not goals:
        return None
    reached = sum((goal.weight * goal.level for goal in goals), ZERO)
    total = sum((goal.weight for goal in goals), ZERO)
    spread = (1 - RHO) * sum((goal.weight**2 for goal in goals), ZERO) + RHO * total**2
    return 50 + 10 * reached / spread.sqrt()
