"""A course of therapy as it went: its sessions, and the scores along them.

The sessions are those of the whole episode, so that everybody means the same session by the same
number; the scores are those that the caller may see.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from app.domain.measure import Rater
from app.domain.scoring import ScoringKey
from app.domain.trajectory import (
    Observed,
    Series,
    Sessions,
    Sitting,
    Track,
    number_sessions,
    series,
)
from app.fhir import json, primitives, references
from app.fhir.json import Tree
from app.repositories.recall import Recall
from app.repositories.unit_of_work import UnitOfWork
from app.search import parser
from app.search.visibility import Visible
from app.services.definitions import Definitions
from app.services.instruments import BASE

SCALES = f"{BASE}/CodeSystem/alliance-scale"
DEFINITION = f"{BASE}/StructureDefinition/scoring-definition"
RATER = f"{BASE}/StructureDefinition/rater"
COUPLE = f"{BASE}/StructureDefinition/couple"

_MOST = 100_000
_KEPT = 20_000
_AT_ONCE = 50
_Held: TypeAlias = tuple[Sitting, set[str | None]]  # and the episodes it belongs to
_Keys: TypeAlias = Mapping[str, ScoringKey]
_RATERS = frozenset(Rater)
_COUNTED = frozenset(("final", "amended", "corrected"))


@dataclass(frozen=True, slots=True)
class Course:
    """An episode with its sessions and the series of scores.

    ``sittings`` are in session order. ``dates`` tells when the score behind a reference was
    answered, as it was written; ``keys`` are the scoring keys of the instruments. ``owed`` are the
    Encounters of which the client's view is left out, until whoever looks has given theirs.
    """

    episode: str
    patient: str
    sessions: Sessions
    sittings: tuple[Sitting, ...]
    series: tuple[Series, ...]
    dates: Mapping[str, str]
    keys: Mapping[str, ScoringKey]
    owed: frozenset[str] = frozenset()

    def without(self, owed: frozenset[str]) -> Course:
        """The course without what clients said of these sessions, by Encounter."""
        numbers = {self.sessions.by_encounter.get(id) for id in owed}
        if numbers <= {None}:
            return self
        kept = [
            replace(
                each, points=tuple(point for point in each.points if point.session not in numbers)
            )
            if each.track.rater is Rater.CLIENT
            else each
            for each in self.series
        ]
        return replace(self, series=tuple(each for each in kept if each.points), owed=owed)

    def of(self, instrument: str, scale: str) -> Series | None:
        """The series of an instrument's scale; the client's where several rated by it."""
        found = [
            each
            for each in self.series
            if each.track.instrument == instrument and each.track.scale == scale
        ]
        return min(found, key=lambda each: list(Rater).index(each.track.rater), default=None)

    def encounter(self, session: int) -> str:
        """The id of a session's Encounter."""
        return self.sittings[session - 1].id

    def family(self, series: Series) -> str:
        """The family of instruments that a series is rated by."""
        return self.keys[series.track.instrument].family


class Courses:
    """Reads courses."""

    def __init__(self, *, definitions: Definitions, base: str) -> None:
        self._definitions = definitions
        self._base = base
        # The figures of a score, not its text: a course is looked at again after every session.
        self._read = Recall(lambda found: _score(json.parse_stored(found.text), base), most=_KEPT)
        self._held = Recall(lambda found: _sitting(json.parse_stored(found.text), base), most=_KEPT)

    async def course(
        self, uow: UnitOfWork, episode: Tree, *, visible: Visible, scales: Iterable[str] = ()
    ) -> Course:
        """The course of an episode; only the series of ``scales``, where some are named."""
        (course,) = await self.courses(uow, [episode], visible=visible, scales=scales)
        return course

    async def courses(
        self,
        uow: UnitOfWork,
        episodes: Sequence[Tree],
        *,
        visible: Visible,
        scales: Iterable[str] = (),
    ) -> Sequence[Course]:
        """The same of several episodes, in their order."""
        if not episodes:
            return []
        keys = {
            key.canonical: key
            for key in await self._definitions.scoring_keys(uow, tenant=visible.tenant)
        }
        encounters = await self._encounters(uow, episodes, tenant=visible.tenant)
        scores = await self._scores(uow, episodes, visible=visible, scales=scales)
        return [
            _course(
                episode,
                [sitting for sitting, of in encounters if episode["id"] in of],
                scores,
                keys,
                self._base,
            )
            for episode in episodes
        ]

    async def in_parts(
        self, uow: UnitOfWork, episodes: Sequence[Tree], *, visible: Visible
    ) -> AsyncIterator[tuple[Tree, Course]]:
        """Each episode with its course, some at a time: others are answered in between."""
        for start in range(0, len(episodes), _AT_ONCE):
            some = episodes[start : start + _AT_ONCE]
            found = await self.courses(uow, some, visible=visible)
            for each in zip(some, found, strict=True):
                yield each

    async def _encounters(
        self, uow: UnitOfWork, episodes: Sequence[Tree], *, tenant: int
    ) -> Sequence[_Held]:
        named = ",".join(f"EpisodeOfCare/{each['id']}" for each in episodes)
        query = parser.parse_criteria("Encounter", [("episode-of-care", named)], base=self._base)
        visible = Visible.everything(tenant, reason="sessions are numbered over the whole episode")
        return await uow.searches.recalled(query, visible=visible, limit=_MOST, by=self._held)

    async def _scores(
        self,
        uow: UnitOfWork,
        episodes: Sequence[Tree],
        *,
        visible: Visible,
        scales: Iterable[str],
    ) -> Mapping[str, Sequence[_Score]]:
        """Scores by patient."""
        named = {id_in(each.get("patient"), "Patient", self._base) for each in episodes}
        patients = sorted(f"Patient/{id}" for id in named if id is not None)
        if not patients:
            return {}
        criteria = [
            ("subject", ",".join(patients)),
            ("code", ",".join(f"{SCALES}|{scale}" for scale in scales) or f"{SCALES}|"),
        ]
        query = parser.parse_criteria("Observation", criteria, base=self._base)
        scores: dict[str, list[_Score]] = {}
        for score in await uow.searches.recalled(
            query, visible=visible, limit=_MOST, by=self._read
        ):
            if score is not None:
                scores.setdefault(score.patient, []).append(score)
        return scores


def _course(
    episode: Tree,
    sittings: Iterable[Sitting],
    found: Mapping[str, Sequence[_Score]],
    keys: _Keys,
    base: str,
) -> Course:
    patient = id_in(episode.get("patient"), "Patient", base) or ""
    by_id = {sitting.id: sitting for sitting in sittings}
    sessions = number_sessions(by_id.values())
    scores = list(_observed(found.get(patient, ()), keys, sessions))
    numbered = sorted(sessions.by_encounter.items(), key=lambda item: item[1])
    return Course(
        episode=episode["id"],
        patient=patient,
        sessions=sessions,
        sittings=tuple(by_id[id] for id, _ in numbered),
        series=series(score for score, _ in scores),
        dates={score.reference: date for score, date in scores},
        keys={key.instrument: key for key in keys.values()},
    )


def id_in(reference: object, type_name: str, base: str) -> str | None:
    """The id in a reference to a resource of a type on this server, whose base URL is ``base``.

    What another server calls by the same id is somebody or something else.
    """
    text = reference.get("reference") if isinstance(reference, dict) else None
    if not isinstance(text, str):
        return None
    kind, _, id = text.partition("/")
    if kind == type_name and id and "/" not in id and "#" not in id:  # as most are written
        return id
    named = references.parse(text, base=base)
    return named.id if named.is_local and named.type == type_name else None


def extension(tree: Tree, url: str) -> Tree:
    """The extension with this url; empty where there is none."""
    return next((each for each in tree.get("extension", ()) if each.get("url") == url), {})


@lru_cache(maxsize=4096)
def moment(text: str | None) -> int | None:
    """The first microsecond of a date or dateTime."""
    try:
        return primitives.date_range(text)[0] if text else None
    except ValueError:
        return None


def _sitting(encounter: Tree, base: str) -> _Held:
    start = encounter.get("period", {}).get("start")
    sitting = Sitting(
        id=encounter["id"],
        status=encounter.get("status", ""),
        start=moment(start),
        day=start[:10] if start and len(start) >= 10 else None,
        midnight=_midnight(start) if start and "T" in start else None,
    )
    episodes = encounter.get("episodeOfCare", ())
    return sitting, {id_in(each, "EpisodeOfCare", base) for each in episodes}


def _midnight(text: str) -> int | None:
    """When the day of a dateTime began in the time zone that it is written in."""
    zone = "Z" if text.endswith("Z") else text[-6:]
    return moment(f"{text[:10]}T00:00:00{zone}")


class _Score(NamedTuple):
    """What counts of a score Observation; ``answered`` as it was written."""

    id: str
    patient: str
    definition: str
    rater: Rater | None
    scale: str
    encounter: str | None
    answered: str
    moment: int
    value: Decimal | None


def _score(tree: Tree, base: str) -> _Score | None:
    codings = tree.get("code", {}).get("coding", ())
    scale = next((each.get("code") for each in codings if each.get("system") == SCALES), None)
    if scale is None or tree.get("status") not in _COUNTED:
        return None
    said = {each.get("url"): each for each in tree.get("extension", ())}
    rater = said.get(RATER, {}).get("valueCode")
    answered = tree.get("effectiveDateTime", "")
    return _Score(
        id=tree["id"],
        patient=id_in(tree.get("subject"), "Patient", base) or "",
        definition=said.get(DEFINITION, {}).get("valueCanonical", ""),
        rater=Rater(rater) if rater in _RATERS else None,
        scale=scale,
        encounter=id_in(tree.get("encounter"), "Encounter", base),
        answered=answered,
        moment=moment(answered) or 0,
        value=_value(tree),
    )


def _observed(
    found: Iterable[_Score], keys: _Keys, sessions: Sessions
) -> Iterator[tuple[Observed, str]]:
    for score in found:
        key = keys.get(score.definition)
        session = sessions.number(
            encounter=score.encounter,
            day=score.answered[:10] if len(score.answered) >= 10 else None,
            at=score.moment if "T" in score.answered else None,
        )
        if key is None or session is None:
            continue
        observed = Observed(
            track=Track(key.instrument, score.rater or key.rater, score.scale),
            session=session,
            answered=score.moment,
            value=score.value,
            reference=f"Observation/{score.id}",
        )
        yield observed, score.answered


def _value(tree: Tree) -> Decimal | None:
    number = tree.get("valueQuantity", {}).get("value", tree.get("valueInteger"))
    return json.to_decimal(number) if json.is_decimal(number) else None
