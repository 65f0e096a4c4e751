"""A course as a picture shows it: which lines, in which panels, and what is marked on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from app.domain.expected import Table
from app.domain.measure import for_people
from app.domain.rupture import RuleSet
from app.domain.trajectory import Series, never_answered
from app.fhir import json
from app.fhir.json import Tree
from app.services.alert_steps import VOID, status_of
from app.services.alerts import evaluation_of, rule_of
from app.services.courses import Course
from app.services.displays import display, instrument
from app.services.trends import expected

Language = Literal["en", "ar"]
LANGUAGES: tuple[Language, ...] = ("en", "ar")

_TEXTS: Mapping[str, Mapping[Language, str]] = {
    "title": {"en": "How the alliance moved", "ar": "مسار التحالف العلاجي"},
    "session": {"en": "Session", "ar": "الجلسة"},
    "score": {"en": "Score", "ar": "الدرجة"},
    "missing": {"en": "No answer", "ar": "لا إجابة"},
    "nothing": {"en": "No scores yet.", "ar": "لا درجات بعد."},
    "notice": {
        "en": "Not validated: no norms, no cut-offs. A reason to talk, not a finding.",
        "ar": "لم يُتحقَّق من صدقه علميًّا: بلا معايير ولا درجات فاصلة. دعوة إلى الحديث، لا حُكم.",
    },
    "expected": {"en": "Expected", "ar": "المتوقَّع"},
    "tolerance": {"en": "Tolerance", "ar": "حدّ السماح"},
    "limit": {"en": "held against", "ar": "قورنت بـ"},
}


@dataclass(frozen=True, slots=True)
class Line:
    """One series: its label, and value by session where there is one."""

    label: str
    rater: str
    points: tuple[tuple[int, Decimal], ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """An alert on a line: where it stands, and in words what the rule saw."""

    session: int
    value: Decimal
    status: str
    status_label: str
    words: str


@dataclass(frozen=True, slots=True)
class Panel:
    """The lines that share a range, which runs from ``low`` to ``high``."""

    title: str
    low: Decimal
    high: Decimal
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """All of a picture; ``missing`` are sessions without any score, ``rows`` the same in words."""

    language: Language
    title: str
    session: str
    score: str
    no_answer: str
    nothing: str
    notice: str | None
    sessions: int
    missing: tuple[int, ...]
    panels: tuple[Panel, ...]

    @property
    def rows(self) -> Sequence[str]:
        """What the picture shows, line by line, for those who do not see it."""
        found = [
            f"{panel.title}, {line.label}: "
            + "; ".join(f"{self.session} {n} {for_people(v)}" for n, v in line.points)
            for panel in self.panels
            for line in panel.lines
        ]
        found += [mark.words for panel in self.panels for mark in panel.marks]
        if self.missing:
            found.append(f"{self.no_answer}: {', '.join(map(str, self.missing))}")
        return found or [self.nothing]


def picture(
    course: Course,
    series: Sequence[Series],
    issues: Iterable[Tree],
    *,
    language: Language,
    tables: Sequence[Table] = (),
) -> Picture:
    """The picture of some series of a course, what is usual, and the alerts about them."""
    alerts = [each for each in issues if each.get("status") != VOID]
    panels: dict[tuple[str, Decimal, Decimal], list[Series]] = {}
    for each in series:
        scale = course.keys[each.track.instrument].scale(each.track.scale)
        if scale is not None:
            panels.setdefault((course.family(each), scale.low, scale.high), []).append(each)
    validated = all(course.keys[each.track.instrument].validated for each in series)
    return Picture(
        language=language,
        title=_TEXTS["title"][language],
        session=_TEXTS["session"][language],
        score=_TEXTS["score"][language],
        no_answer=_TEXTS["missing"][language],
        nothing=_TEXTS["nothing"][language],
        notice=None if validated else _TEXTS["notice"][language],
        sessions=course.sessions.count,
        missing=never_answered(series, course.sessions.count),
        panels=tuple(
            _panel(low, high, members, alerts, tables=tables, language=language)
            for (_, low, high), members in panels.items()
        ),
    )


def summary(course: Course, rules: Iterable[RuleSet]) -> list[Series]:
    """The series that say most: those that live rules watch, else an instrument's last scale."""
    watched: dict[str, set[str]] = {}
    for each in rules:
        for name in (each.instrument, each.against):
            if name is not None:
                watched.setdefault(name, set()).add(each.scale)
    return [
        each
        for each in course.series
        if each.track.scale
        in watched.get(each.track.instrument, {course.keys[each.track.instrument].scales[-1].code})
    ]


def _panel(
    low: Decimal,
    high: Decimal,
    members: Sequence[Series],
    alerts: Sequence[Tree],
    *,
    tables: Sequence[Table],
    language: Language,
) -> Panel:
    several = len({each.track.scale for each in members}) > 1
    lines = [_line(each, language, with_scale=several) for each in members]
    lines += [line for each in members for line in _usual(each, tables, language)]
    scale = "" if several else f": {display('alliance-scale', members[0].track.scale, language)}"
    return Panel(
        title=f"{instrument(members[0].track.instrument, language)}{scale}",
        low=low,
        high=high,
        lines=tuple(lines),
        marks=tuple(_marks(members, alerts, language)),
    )


def _line(series: Series, language: Language, *, with_scale: bool) -> Line:
    track = series.track
    rater = display("rater", str(track.rater), language)
    scale = display("alliance-scale", track.scale, language)
    return Line(
        label=f"{scale}, {rater}" if with_scale else rater,
        rater=str(track.rater),
        points=tuple(
            (each.session, each.value) for each in series.points if each.value is not None
        ),
    )


def _usual(series: Series, tables: Sequence[Table], language: Language) -> Iterable[Line]:
    usual = expected(series, tables)
    if usual is not None and usual.at:
        targets = tuple((session, each.target) for session, each in usual.at.items())
        lower = tuple((session, each.lower) for session, each in usual.at.items())
        yield Line(_TEXTS["expected"][language], str(series.track.rater), targets)
        yield Line(_TEXTS["tolerance"][language], str(series.track.rater), lower)


def _marks(members: Sequence[Series], alerts: Sequence[Tree], language: Language) -> Iterable[Mark]:
    lines = {
        (each.track.instrument, each.track.scale): {p.session: p.value for p in each.points}
        for each in members
    }
    for alert in alerts:
        seen = evaluation_of(alert)
        values = lines.get((seen.get("instrument", ""), seen.get("scale", "")), {})
        session, status = seen.get("session", 0), status_of(alert)
        value = values.get(session)
        if value is None:
            continue
        label = display("alert-status", status, language)
        words = (
            f"{_TEXTS['session'][language]} {session}: "
            f"{display('rupture-rule', rule_of(alert), language)}, {for_people(value)}"
        )
        if json.is_decimal(seen.get("limit")):
            limit = for_people(json.to_decimal(seen["limit"]))
            words += f" ({_TEXTS['limit'][language]} {limit})"
        yield Mark(session, value, status, label, f"{words}. {label}.")
