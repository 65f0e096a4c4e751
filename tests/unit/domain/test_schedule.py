"""When a form is due, and which days make sense."""

from __future__ import annotations

import pytest

from app.domain.schedule import Cadence, Schedule, problems


@pytest.mark.parametrize(
    "cadence, due",
    [
        (Cadence.PER_SESSION, [1, 2, 3, 4, 5, 6, 7, 8]),
        (Cadence.FIRST_THIRD_EVERY_FOURTH, [1, 3, 7]),
        (Cadence.WEEKLY, []),
        (Cadence.AT_CLOSE, []),
    ],
)
def test_the_sessions_after_which_a_form_is_due(cadence, due):
    schedule = Schedule("http://q|1", cadence)
    assert [session for session in range(1, 9) if schedule.is_due(session)] == due


@pytest.mark.parametrize(
    "reminder, expiry, codes",
    [
        (2, 4, []),
        (None, None, []),
        (9, None, []),
        (3, 4, []),
        (4, 4, ["invariant"]),
        (10, 30, ["value"]),
        (1, 31, ["value"]),
        (10, 5, ["value", "invariant"]),
    ],
)
def test_a_reminder_comes_a_day_before_it_is_too_late(reminder, expiry, codes):
    schedule = Schedule("http://q|1", Cadence.WEEKLY, reminder=reminder, expiry=expiry)
    assert [issue.code for issue in problems(schedule, "CarePlan.extension[0]")] == codes
