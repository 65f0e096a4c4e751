"""Both partners of a couple, session by session, for those who treat them.

With one partner's own score, any mean or gap of the pair gives away the other's: this is never
for a partner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.domain.congruence import pair
from app.domain.measure import Rater
from app.domain.trajectory import Series
from app.fhir.json import Tree
from app.fhir.parameters import decimal, group, integer, parameters, value
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.services.courses import COUPLE, Course, Courses, extension, id_in
from app.services.trees import matching
from app.services.trends import unvalidated, values

_EPISODES = 200


@dataclass(frozen=True, slots=True)
class _Sitting:
    """A sitting of either partner: its start and the number it has in each one's course."""

    start: int
    a: int | None
    b: int | None


class Couples:
    """Reads the two courses of a couple."""

    def __init__(self, *, courses: Courses, base: str) -> None:
        self._courses = courses
        self._base = base

    async def summary(
        self,
        uow: UnitOfWork,
        couple: Tree,
        *,
        scale: str | None,
        visible: Visible,
        owed: frozenset[str],
    ) -> Tree:
        """The Parameters of ``$couple-summary``, but for the sessions (Encounters) ``owed``."""
        courses = [
            await self._course(uow, couple["id"], patient, scale=scale, visible=visible)
            for patient in partners(couple, self._base)
        ]
        if len(courses) < 2 or courses[0] is None or courses[1] is None:
            return parameters()
        return _summary(courses[0].without(owed), courses[1].without(owed), scale)

    async def _course(
        self, uow: UnitOfWork, couple: str, patient: str, *, scale: str | None, visible: Visible
    ) -> Course | None:
        """The newest course of a partner that is part of the couple's."""
        found = await matching(
            uow,
            "EpisodeOfCare",
            [("patient", f"Patient/{patient}")],
            visible=visible,
            limit=_EPISODES,
            base=self._base,
        )
        shared = [each for each in found if _couple_of(each, self._base) == couple]
        if not shared:
            return None
        newest = max(shared, key=lambda each: (each.get("period", {}).get("start", ""), each["id"]))
        return await self._courses.course(
            uow, newest, visible=visible, scales=[scale] if scale else ()
        )


def partners(couple: Tree, base: str) -> list[str]:
    """The Patients (ids) who are the two of a Group; ``base`` is this server's."""
    members = [id_in(each.get("entity"), "Patient", base) for each in couple.get("member", ())]
    return [id for id in members if id is not None][:2]


def _couple_of(episode: Tree, base: str) -> str | None:
    return id_in(extension(episode, COUPLE).get("valueReference"), "Group", base)


def _summary(a: Course, b: Course, scale: str | None) -> Tree:
    sittings = sorted(_aligned(a, b), key=lambda each: each.start)
    both = [
        (
            one,
            {n: values(one).get(each.a) for n, each in enumerate(sittings, 1) if each.a},
            {n: values(other).get(each.b) for n, each in enumerate(sittings, 1) if each.b},
        )
        for one, other in _tracks(a, b, scale)
    ]
    if not both:
        return parameters()
    series, left, right = max(both, key=lambda each: len(pair(each[1], each[2])))
    pairs = {each.session: each for each in pair(left, right)}
    return parameters(
        value("instrument", "code", series.track.instrument),
        value("scale", "code", series.track.scale),
        unvalidated(is_validated=a.keys[series.track.instrument].validated),
        [
            group(
                "session",
                integer("session", session),
                decimal("a", left.get(session)),
                decimal("b", right.get(session)),
                decimal("gap", pairs[session].gap if session in pairs else None),
                decimal("min", pairs[session].lower if session in pairs else None),
            )
            for session in range(1, len(sittings) + 1)
        ],
    )


def _tracks(a: Course, b: Course, scale: str | None) -> Sequence[tuple[Series, Series]]:
    """What both partners rated by the same instrument."""
    return [
        (one, other)
        for one in a.series
        for other in b.series
        if one.track == other.track
        and one.track.rater is Rater.CLIENT
        and scale in (None, one.track.scale)
    ]


def _aligned(a: Course, b: Course) -> Iterator[_Sitting]:
    """The sittings of both: a shared Encounter is one, and so are those of one day."""
    left = set(range(1, len(b.sittings) + 1))
    for number, sitting in enumerate(a.sittings, 1):
        other = b.sessions.by_encounter.get(sitting.id)
        if other is None and sitting.day is not None:
            same_day = [
                each
                for each in sorted(left)
                if b.sittings[each - 1].day == sitting.day
                and b.sittings[each - 1].id not in a.sessions.by_encounter
            ]
            other = same_day[0] if same_day else None
        left.discard(other or 0)
        yield _Sitting(sitting.start or 0, number, other)
    for number in left:
        yield _Sitting(b.sittings[number - 1].start or 0, None, number)
