"""Goal attainment, by the worked case E2."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from app.core.errors import AppError
from app.domain.goal_attainment import Attainment, attainment_t


@pytest.mark.parametrize(
    "levels, weights, t",
    [
        ([0, 0, 0], [1, 1, 1], "50"),
        ([1, 0, -1], [1, 1, 1], "50"),
        ([1, 1, 0], [1, 1, 1], "59.1287"),
        ([2, 0, -1], [3, 2, 1], "61.0163"),
        ([-2, -1], [1, 1], "31.3948"),
        ([1], [1], "60"),
    ],
)
def test_e2(levels, weights, t):
    goals = [
        Attainment(level, Decimal(weight)) for level, weight in zip(levels, weights, strict=True)
    ]
    found: Any = attainment_t(goals)
    assert round(found, 4) == Decimal(t)


def test_no_goal_no_score_and_no_level_beyond_two():
    assert attainment_t([]) is None
    for goal in (Attainment(3), Attainment(0, Decimal(0))):
        with pytest.raises(AppError):
            attainment_t([goal])
