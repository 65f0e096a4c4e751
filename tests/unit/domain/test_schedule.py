"""When a form is due, and which days make sense."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from app.domain.schedule import Cadence, Schedule, problems, weeks


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


def said(instants):
    return [datetime.fromtimestamp(each / 1e6, UTC).strftime("%d.%m. %H:%M") for each in instants]


@pytest.mark.parametrize(
    "start, end, zone, begins",
    [
        ("2026-01-05", "2026-01-19", "UTC", ["05.01. 00:00", "12.01. 00:00", "19.01. 00:00"]),
        ("2026-01-05", "2026-01-18", "UTC", ["05.01. 00:00", "12.01. 00:00"]),
        ("2026-01-05", "2026-01-12", "Asia/Dubai", ["04.01. 20:00", "11.01. 20:00"]),
        # The last day counts whole, the last second too.
        ("2026-01-05T17:00:00Z", "2026-01-12", "UTC", ["05.01. 17:00", "12.01. 17:00"]),
        ("2026-01-05T17:00:00Z", "2026-01-12T17:00:00Z", "UTC", ["05.01. 17:00", "12.01. 17:00"]),
        ("2026-01-05T17:00:00Z", "2026-01-12T16:59:59Z", "UTC", ["05.01. 17:00"]),
        # Clocks went forward on 29 March, back on 25 October: nine in the morning stays nine.
        ("2026-03-23T08:00:00Z", "2026-03-31", "Europe/Paris", ["23.03. 08:00", "30.03. 07:00"]),
        ("2026-10-19", "2026-10-26", "Europe/Paris", ["18.10. 22:00", "25.10. 23:00"]),
        ("2026-01-12", "2026-01-05", "UTC", []),
    ],
)  # fmt: skip
def test_the_weeks_of_a_plan(start, end, zone, begins):
    assert said(islice(weeks(start, end, ZoneInfo(zone)), 60)) == begins
