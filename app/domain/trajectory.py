"""Sessions and the series of scores along them.

A session number is the rank, from 1, of an episode's Encounters by ``period.start``; cancelled and
mistaken ones are no sessions. An answer without an Encounter joins the one of its day, which is
the day where the session was: an answer is often stamped in another time zone than it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.domain.measure import Rater, fit, mean

_DAY = 86_400_000_000
_NO_SESSION = frozenset(("cancelled", "entered-in-error"))


@dataclass(frozen=True, slots=True)
class Sitting:
    """An Encounter of the episode.

    ``start`` is in microseconds, ``day`` the local date (``2026-11-25``), and ``midnight`` when
    that day began there, none for a start without a time. One with no start has no rank.
    """

    id: str
    status: str
    start: int | None
    day: str | None
    midnight: int | None = None


@dataclass(frozen=True, slots=True)
class Sessions:
    """The numbers of an episode's sessions, by Encounter and by day.

    ``midnights`` are when the days of sessions began, in order, each with its session.
    """

    by_encounter: Mapping[str, int]
    by_day: Mapping[str, int]
    midnights: Sequence[tuple[int, int]] = ()
    whole_days: frozenset[str] = frozenset()

    @property
    def count(self) -> int:
        """How many sessions there are."""
        return len(self.by_encounter)

    def number(
        self, *, encounter: str | None, day: str | None, at: int | None = None
    ) -> int | None:
        """The session of an answer; none where its Encounter is no session, or its day has none.

        ``day`` is the date as it was written, ``at`` the moment in microseconds, where one was.
        """
        if encounter is not None:
            return self.by_encounter.get(encounter)
        if at is not None and day not in self.whole_days:
            first = bisect_right(self.midnights, (at - _DAY, self.count))
            until = bisect_right(self.midnights, (at, self.count))
            return min((session for _, session in self.midnights[first:until]), default=None)
        return self.by_day.get(day) if day is not None else None


@dataclass(frozen=True, slots=True)
class Track:
    """What a series is about: an instrument, who answered, and a scale."""

    instrument: str
    rater: Rater
    scale: str


@dataclass(frozen=True, slots=True)
class Observed:
    """A score at a session; ``answered`` in microseconds, ``reference`` the Observation."""

    track: Track
    session: int
    answered: int
    value: Decimal | None
    reference: str


@dataclass(frozen=True, slots=True)
class Series:
    """The scores of one track, one for each session that has one, in session order."""

    track: Track
    points: tuple[Observed, ...]

    def values(self, sessions: int) -> tuple[Decimal | None, ...]:
        """The value of each session from 1 to ``sessions``, none where it is missing."""
        found = {point.session: point.value for point in self.points}
        return tuple(found.get(session) for session in range(1, sessions + 1))

    def missing(self, sessions: int) -> tuple[int, ...]:
        """The sessions without a value."""
        values = enumerate(self.values(sessions), 1)
        return tuple(session for session, value in values if value is None)

    def baseline(self, size: int = 3) -> Decimal | None:
        """The mean of the first ``size`` values; none while there are fewer."""
        values = [point.value for point in self.points if point.value is not None][:size]
        return mean(values) if size and len(values) == size else None

    def slope(self) -> Decimal | None:
        """Change per session over the whole series; none with fewer than two values."""
        scored = [(point.session, point.value) for point in self.points if point.value is not None]
        sessions = [Decimal(session) for session, _ in scored]
        line = fit(sessions, [value for _, value in scored])
        return line.slope if line else None


def whole_forms(course: Iterable[Series]) -> Iterator[tuple[Track, Sequence[Decimal]]]:
    """The values of each track in the sessions that have one on every scale of its instrument.

    So that all scales are about the same answers: in figures over many clients those with gaps
    would be the difference of two scales.
    """
    by_form: dict[tuple[str, Rater], list[Series]] = {}
    for each in course:
        by_form.setdefault((each.track.instrument, each.track.rater), []).append(each)
    for scales in by_form.values():
        known = [
            {point.session: point.value for point in each.points if point.value is not None}
            for each in scales
        ]
        whole = [session for session in known[0] if all(session in each for each in known)]
        for each, values in zip(scales, known, strict=True):
            if whole:
                yield each.track, [values[session] for session in whole]


def number_sessions(sittings: Iterable[Sitting]) -> Sessions:
    """Rank the sittings of an episode; equal starts keep a stable order by id."""
    held = sorted(
        (
            (sitting.start, sitting.id, sitting.day, sitting.midnight)
            for sitting in sittings
            if sitting.status not in _NO_SESSION and sitting.start is not None
        ),
        key=lambda each: each[:2],
    )
    by_encounter = {id: session for session, (_, id, _, _) in enumerate(held, 1)}
    by_day: dict[str, int] = {}
    for session, (_, _, day, _) in enumerate(held, 1):
        # Two sittings on a day: an answer that names none belongs to the first.
        if day is not None:
            by_day.setdefault(day, session)
    midnights = sorted(
        (midnight, session)
        for session, (_, _, _, midnight) in enumerate(held, 1)
        if midnight is not None
    )
    whole = frozenset(day for _, _, day, midnight in held if day is not None and midnight is None)
    return Sessions(by_encounter, by_day, midnights, whole)


def series(scores: Iterable[Observed]) -> tuple[Series, ...]:
    """The series in a set of scores, ordered by track.

    Two scores of one track and session: the later answer counts.
    """
    tracks: dict[Track, dict[int, Observed]] = {}
    for score in sorted(scores, key=lambda each: (each.answered, each.reference)):
        tracks.setdefault(score.track, {})[score.session] = score
    order = sorted(tracks, key=lambda track: (track.instrument, track.rater, track.scale))
    return tuple(Series(track, _in_order(tracks[track])) for track in order)


def _in_order(points: Mapping[int, Observed]) -> tuple[Observed, ...]:
    return tuple(points[session] for session in sorted(points))


def never_answered(all_series: Sequence[Series], sessions: int) -> tuple[int, ...]:
    """The sessions in which no series has a value."""
    answered = {
        point.session for each in all_series for point in each.points if point.value is not None
    }
    return tuple(session for session in range(1, sessions + 1) if session not in answered)
