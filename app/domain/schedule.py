"""When a form is asked for, and until when: the cadence of a measure schedule.

A reminder is due at least a day before it is too late, so that it can still be heeded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from itertools import count

from app.core.errors import Issue
from app.domain.measure import Rater
from app.fhir import primitives

LONGEST, LATEST_REMINDER = 30, 9
MOST_WEEKS = 53
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Cadence(StrEnum):
    """Codes of ``/CodeSystem/measure-cadence``."""

    PER_SESSION = "per-session"
    FIRST_THIRD_EVERY_FOURTH = "first-third-every-fourth"
    WEEKLY = "weekly"
    AT_CLOSE = "at-close"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A form (``url|version``) asked of somebody; days count from when it is asked for."""

    questionnaire: str
    cadence: Cadence
    rater: Rater = Rater.CLIENT
    reminder: int | None = 2
    expiry: int | None = 4

    def is_due(self, session: int) -> bool:
        """Whether the form is asked for after a session."""
        match self.cadence:
            case Cadence.PER_SESSION:
                return True
            case Cadence.FIRST_THIRD_EVERY_FOURTH:
                return session == 1 or session % 4 == 3
            case _:
                return False


def problems(schedule: Schedule, place: str) -> list[Issue]:
    """What is wrong with the days of a schedule."""
    issues = []
    reminder, expiry = schedule.reminder, schedule.expiry
    if expiry is not None and not 1 <= expiry <= LONGEST:
        issues.append(Issue("value", f"expiryDays is from 1 to {LONGEST}", place))
    if reminder is not None and not 1 <= reminder <= LATEST_REMINDER:
        issues.append(Issue("value", f"reminderDays is from 1 to {LATEST_REMINDER}", place))
    if reminder is not None and expiry is not None and reminder > expiry - 1:
        issues.append(
            Issue("invariant", "a reminder is due at least a day before it is too late", place)
        )
    return issues


def weeks(start: str, end: str, zone: tzinfo) -> Iterator[int]:
    """When each week of a plan begins, in microseconds; the plan's last day counts whole.

    ``start`` and ``end`` are dates or dateTimes. Each week begins at the hour of the first by the
    clinic's clock, whatever was done to that clock meanwhile; a date begins with its midnight.
    """
    first = _by_the_clock(start, primitives.date_range(start)[0], zone)
    ended = _instant(_by_the_clock(end, primitives.date_range(end)[1], zone), zone)
    for week in count():
        begun = _instant(first + timedelta(weeks=week), zone)
        if begun >= ended:
            return
        yield begun


def _by_the_clock(text: str, instant: int, zone: tzinfo) -> datetime:
    moment = _EPOCH + instant * _MICROSECOND
    return (moment.astimezone(zone) if "T" in text else moment).replace(tzinfo=None)


def _instant(clock: datetime, zone: tzinfo) -> int:
    return (clock.replace(tzinfo=zone) - _EPOCH) // _MICROSECOND
