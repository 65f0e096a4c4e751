"""A course as operations tell it: series, alerts, and what two raters make of the same sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from app.domain.congruence import Pair, congruence, pair
from app.domain.expected import Standing, Table, standings
from app.domain.measure import Point, Rater
from app.domain.trajectory import Observed, Series, never_answered
from app.fhir.json import Tree
from app.fhir.parameters import (
    Part,
    boolean,
    decimal,
    exact,
    group,
    integer,
    parameters,
    reference,
    value,
)
from app.services.alert_steps import VOID, status_of
from app.services.alerts import evaluation_of, rule_of, version_of
from app.services.courses import Course


class Expected(NamedTuple):
    """What is usual by a clinic's table, named by its canonical, and where a series stands."""

    table: str
    at: Mapping[int, Standing]


def expected(series: Series, tables: Iterable[Table]) -> Expected | None:
    """What a series is held against; of several tables, the one stored last (the first)."""
    asked = (series.track.instrument, series.track.scale)
    table = next((each for each in tables if (each.instrument, each.scale) == asked), None)
    if table is None:
        return None
    points = [Point(each.session, each.value) for each in series.points if each.value is not None]
    return Expected(f"{table.url}|{table.version}", standings(table, points))


def trend(
    course: Course, series: Sequence[Series], issues: Iterable[Tree], tables: Sequence[Table] = ()
) -> Tree:
    """The Parameters of ``$alliance-trend``."""
    tracks = {(each.track.instrument, each.track.scale) for each in series}
    alerts = [each for each in issues if each.get("status") != VOID and _about(each) in tracks]
    alerts.sort(key=lambda each: (evaluation_of(each).get("session", 0), rule_of(each)))
    owed = {course.sessions.by_encounter.get(id) for id in course.owed}
    missing = [
        session for session in never_answered(series, course.sessions.count) if session not in owed
    ]
    return parameters(
        [_series(course, each, expected(each, tables)) for each in series],
        [_alert(each) for each in alerts],
        [group("missing", integer("session", session)) for session in missing],
    )


def chosen(
    course: Course, *, instrument: str | None, rater: str | None, scale: str | None
) -> list[Series]:
    """The series that were asked for; an instrument by its code or its form's canonical."""
    wanted = instrument and instrument.partition("|")[0]
    forms = {code: key.questionnaire.partition("|")[0] for code, key in course.keys.items()}
    return [
        each
        for each in course.series
        if wanted in (None, each.track.instrument, forms[each.track.instrument])
        and rater in (None, each.track.rater)
        and scale in (None, each.track.scale)
    ]


def agreement(course: Course, scale: str) -> Tree:
    """The Parameters of ``$congruence``."""
    pairs, instruments = _both(course, scale)
    found = congruence(pairs)
    return parameters(
        unvalidated(is_validated=all(course.keys[each].validated for each in instruments)),
        decimal("bias", found.bias),
        decimal("slope", found.slope),
        decimal("correlation", found.correlation),
        decimal("meanAbsoluteGap", found.mean_absolute_gap),
        [
            group(
                "pair",
                integer("session", each.session),
                decimal("client", each.left),
                decimal("therapist", each.right),
            )
            for each in found.pairs
        ],
    )


def values(series: Series) -> Mapping[int, Decimal | None]:
    """The value of each session that has a score."""
    return {point.session: point.value for point in series.points}


def unvalidated(*, is_validated: bool) -> Part | None:
    """What is said wherever figures of an instrument are, where it has not been validated."""
    return None if is_validated else boolean("validated", value=False)


def _both(course: Course, scale: str) -> tuple[Sequence[Pair], Sequence[str]]:
    """The sessions that client and therapist rated by one family of instruments, and these.

    Of several families, the one with most such sessions.
    """
    of = [each for each in course.series if each.track.scale == scale]
    found = [
        (
            pair(values(client), values(therapist)),
            (client.track.instrument, therapist.track.instrument),
        )
        for client in of
        for therapist in of
        if client.track.rater is Rater.CLIENT
        and therapist.track.rater is Rater.THERAPIST
        and course.family(client) == course.family(therapist)
    ]
    return max(found, key=lambda each: len(each[0]), default=((), ()))


def _series(course: Course, series: Series, usual: Expected | None) -> Part:
    track, at = series.track, usual.at if usual else {}
    return group(
        "series",
        value("instrument", "code", track.instrument),
        value("rater", "code", str(track.rater)),
        value("scale", "code", track.scale),
        boolean("validated", value=course.keys[track.instrument].validated),
        value("expectation", "canonical", usual.table if usual else None),
        [
            _point(point, course.dates[point.reference], at.get(point.session))
            for point in series.points
        ],
    )


def _point(point: Observed, date: str, standing: Standing | None) -> Tree:
    # Written out: a course has thousands.
    parts: list[Tree] = [{"name": "session", "valueInteger": point.session}]
    if date:
        parts.append({"name": "date", "valueDateTime": date})
    if point.value is not None:
        parts.append({"name": "value", "valueDecimal": exact(point.value)})
    parts.append({"name": "observation", "valueReference": {"reference": point.reference}})
    if standing is not None:
        parts.append({"name": "target", "valueDecimal": exact(standing.target)})
        parts.append({"name": "lower", "valueDecimal": exact(standing.lower)})
        parts.append({"name": "signal", "valueCode": str(standing.signal)})
    return {"name": "point", "part": parts}


def _alert(issue: Tree) -> Part:
    return group(
        "alert",
        value("rule", "code", rule_of(issue)),
        value("version", "string", version_of(issue)),
        integer("session", evaluation_of(issue).get("session")),
        value("status", "code", status_of(issue)),
        reference("issue", f"DetectedIssue/{issue['id']}"),
    )


def _about(issue: Tree) -> tuple[str, str]:
    seen = evaluation_of(issue)
    return seen.get("instrument", ""), seen.get("scale", "")
