"""A course of therapy as it went: its sessions, and the scores along them.

The sessions are those of the whole episode, so that everybody means the same session by the same
number; the scores are those that the caller may see.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

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
from app.fhir import json, primitives
from app.fhir.json import Tree
from app.repositories.unit_of_work import UnitOfWork
from app.search import parser
from app.search.found import Found
from app.search.visibility import Visible
from app.services.definitions import Definitions
from app.services.instruments import BASE

SCALES = f"{BASE}/CodeSystem/alliance-scale"
DEFINITION = f"{BASE}/StructureDefinition/scoring-definition"
RATER = f"{BASE}/StructureDefinition/rater"
COUPLE = f"{BASE}/StructureDefinition/couple"

_MOST_SESSIONS = 5_000
_MOST_SCORES = 50_000
_COUNTED = frozenset(("final", "amended", "corrected"))


@dataclass(frozen=True, slots=True)
class Course:
    """An episode with its sessions and the series of scores.

    ``dates`` tells when the score behind a reference was answered, as it was written;
    ``encounters`` the Encounter id of each session; ``rids`` are the rows that were read.
    """

    episode: str
    patient: str
    sessions: Sessions
    encounters: Mapping[int, str]
    series: tuple[Series, ...]
    dates: Mapping[str, str]
    rids: tuple[int, ...] = ()

    def of(self, instrument: str, scale: str) -> Series | None:
        """The series of an instrument's scale; the client's where several rated by it."""
        found = [
            each
            for each in self.series
            if each.track.instrument == instrument and each.track.scale == scale
        ]
        return min(found, key=lambda each: list(Rater).index(each.track.rater), default=None)


class Courses:
    """Reads courses."""

    def __init__(self, *, definitions: Definitions, base: str) -> None:
        self._definitions = definitions
        self._base = base

    async def course(
        self, uow: UnitOfWork, episode: Tree, *, visible: Visible, scales: Iterable[str] = ()
    ) -> Course:
        """The course of an episode; only the series of ``scales``, where some are named."""
        patient = id_in(episode.get("patient"), "Patient") or ""
        encounters = await self._encounters(uow, episode["id"], tenant=visible.tenant)
        sessions = number_sessions(_sitting(each) for each in encounters)
        criteria = [("subject", f"Patient/{patient}"), ("category", "survey")]
        codes = ",".join(f"{SCALES}|{scale}" for scale in scales)
        criteria.append(("code", codes or f"{SCALES}|"))
        query = parser.parse_criteria("Observation", criteria, base=self._base)
        found = await uow.searches.matches(query, visible=visible, limit=_MOST_SCORES)
        keys = {
            key.canonical: key
            for key in await self._definitions.scoring_keys(uow, tenant=visible.tenant)
        }
        scores = list(_scores(found, keys, sessions))
        return Course(
            episode=episode["id"],
            patient=patient,
            sessions=sessions,
            encounters={number: id for id, number in sessions.by_encounter.items()},
            series=series(score for score, _, _ in scores),
            dates={score.reference: date for score, date, _ in scores},
            rids=tuple(rid for _, _, rid in scores),
        )

    async def _encounters(self, uow: UnitOfWork, episode: str, *, tenant: int) -> Sequence[Tree]:
        query = parser.parse_criteria(
            "Encounter", [("episode-of-care", f"EpisodeOfCare/{episode}")], base=self._base
        )
        visible = Visible.everything(tenant, reason="sessions are numbered over the whole episode")
        found = await uow.searches.matches(query, visible=visible, limit=_MOST_SESSIONS)
        return [json.parse_resource(each.text) for each in found]


def id_in(reference: object, type_name: str) -> str | None:
    """The id in a reference to a resource of a type on this server."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    if not isinstance(text, str):
        return None
    kind, _, id = text.partition("/_history/")[0].rpartition("/")
    return id if kind.rpartition("/")[2] == type_name else None


def extension(tree: Tree, url: str) -> Tree:
    """The extension with this url; empty where there is none."""
    return next((each for each in tree.get("extension", ()) if each.get("url") == url), {})


def moment(text: str | None) -> int | None:
    """The first microsecond of a date or dateTime."""
    try:
        return primitives.date_range(text)[0] if text else None
    except ValueError:
        return None


def _sitting(encounter: Tree) -> Sitting:
    start = encounter.get("period", {}).get("start")
    return Sitting(
        id=encounter["id"],
        status=encounter.get("status", ""),
        start=moment(start),
        day=start[:10] if start and len(start) >= 10 else None,
    )


def _scores(
    found: Iterable[Found], keys: Mapping[str, ScoringKey], sessions: Sessions
) -> Iterator[tuple[Observed, str, int]]:
    for each in found:
        tree = json.parse_resource(each.text)
        if tree.get("status") not in _COUNTED:
            continue
        key = keys.get(extension(tree, DEFINITION).get("valueCanonical", ""))
        scale = _scale(tree)
        answered = tree.get("effectiveDateTime", "")
        session = sessions.number(
            encounter=id_in(tree.get("encounter"), "Encounter"),
            day=answered[:10] if len(answered) >= 10 else None,
        )
        if key is None or scale is None or session is None:
            continue
        score = Observed(
            track=Track(key.instrument, _rater(tree, key), scale),
            session=session,
            answered=moment(answered) or 0,
            value=_value(tree),
            reference=f"Observation/{each.id}",
        )
        yield score, answered, each.rid


def _scale(tree: Tree) -> str | None:
    codings = tree.get("code", {}).get("coding", ())
    return next((each.get("code") for each in codings if each.get("system") == SCALES), None)


def _rater(tree: Tree, key: ScoringKey) -> Rater:
    code = extension(tree, RATER).get("valueCode")
    return Rater(code) if code in set(Rater) else key.rater


def _value(tree: Tree) -> Decimal | None:
    number = tree.get("valueQuantity", {}).get("value", tree.get("valueInteger"))
    return json.to_decimal(number) if json.is_decimal(number) else None
