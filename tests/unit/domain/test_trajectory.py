"""Sessions and series."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from app.domain.measure import Rater
from app.domain.trajectory import (
    Observed,
    Sitting,
    Track,
    never_answered,
    number_sessions,
    series,
)

CLIENT = Track("srs", Rater.CLIENT, "total")
THERAPIST = Track("srs", Rater.THERAPIST, "total")


def score(session, value, *, track=CLIENT, answered=0, reference="o"):
    value = None if value is None else Decimal(value)
    return Observed(track, session, answered, value, f"Observation/{reference}")


def test_a_session_number_is_a_rank_and_a_cancelled_one_has_none():
    sessions = number_sessions(
        [
            Sitting("late", "finished", 300, "2026-01-15"),
            Sitting("off", "cancelled", 200, "2026-01-08"),
            Sitting("wrong", "entered-in-error", 50, "2026-01-01"),
            Sitting("early", "finished", 100, "2026-01-01"),
            Sitting("someday", "planned", None, None),
        ]
    )
    assert sessions.by_encounter == {"early": 1, "late": 2}
    assert sessions.count == 2
    assert sessions.number(encounter="late", day="2026-01-01") == 2
    assert sessions.number(encounter="off", day="2026-01-15") is None
    assert sessions.number(encounter=None, day="2026-01-15") == 2
    assert sessions.number(encounter=None, day="2026-01-08") is None
    assert sessions.number(encounter=None, day=None) is None


def test_an_answer_without_encounter_joins_the_first_sitting_of_its_day():
    sessions = number_sessions(
        [Sitting("b", "finished", 200, "2026-01-01"), Sitting("a", "finished", 100, "2026-01-01")]
    )
    assert sessions.number(encounter=None, day="2026-01-01") == 1


def test_the_day_of_a_session_is_that_where_it_was():
    hour = 3_600_000_000
    at_six = Sitting("ny", "finished", 23 * hour, "2026-01-05", 5 * hour)  # of UTC-5
    next_week = Sitting("later", "finished", 191 * hour, "2026-01-12", 173 * hour)
    some_day = Sitting("paper", "finished", 500 * hour, "2026-01-25")
    sessions = number_sessions([next_week, some_day, at_six])

    def number(at, day="2026-01-06"):
        return sessions.number(encounter=None, day=day, at=at)

    assert number(25 * hour) == 1  # an hour after midnight in Greenwich
    assert (number(5 * hour), number(29 * hour - 1)) == (1, 1)
    assert (number(5 * hour - 1), number(29 * hour)) == (None, None)
    assert number(173 * hour) == 2
    assert number(25 * hour, day="2026-01-25") == 3  # a session without a time has all its day
    assert sessions.number(encounter=None, day="2026-01-05") == 1


def test_series_are_split_by_track_and_the_later_answer_counts():
    client: Any
    therapist: Any
    (client, therapist) = series(
        [
            score(3, 36, answered=5),
            score(1, 30, answered=2, reference="second"),
            score(1, 20, answered=1, reference="first"),
            score(2, None),
            score(1, 25, track=THERAPIST),
        ]
    )
    assert (client.track, therapist.track) == (CLIENT, THERAPIST)
    assert client.values(4) == (30, None, 36, None)
    assert client.missing(4) == (2, 4)
    assert client.points[0].reference == "Observation/second"
    assert client.slope() == 3
    assert client.baseline() is None
    assert client.baseline(2) == 33
    assert therapist.slope() is None
    assert never_answered([client, therapist], 5) == (2, 4, 5)
