"""One therapist's figures, for the supervisor and the clinical lead (``domain/supervision.py``).

They are about one therapist at a time and over all clients of the clinic, whoever asks. Each
caseload is published for itself, so that nobody's figures, and nobody's place among others, tell of
fewer than five clients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from app.domain.measure import Rater
from app.domain.supervision import Client, Summary, published, summary
from app.fhir.json import Tree
from app.fhir.parameters import Part, boolean, decimal, group, integer, parameters, value
from app.fhir.registry import REGISTRY
from app.repositories.unit_of_work import UnitOfWork
from app.search.query import SearchQuery
from app.search.visibility import Visible
from app.security import care
from app.services.courses import Courses, id_in
from app.services.definitions import Definitions
from app.services.publishing import Publishing
from app.services.trees import matching
from app.services.trends import unvalidated

_EPISODES = 100_000
_TREATED = "active,onhold,finished"
_Name: TypeAlias = tuple[str, str]  # instrument and scale
_Scores: TypeAlias = dict[str, dict[str, list[Decimal]]]  # by therapist and client


class Supervision:
    """Tells what supervisors may know of their supervisees."""

    def __init__(
        self, *, courses: Courses, definitions: Definitions, publishing: Publishing, base: str
    ) -> None:
        self._courses = courses
        self._definitions = definitions
        self._publishing = publishing
        self._base = base

    async def supervises(
        self, uow: UnitOfWork, actor: str, therapist: str, *, now: int, tenant: int
    ) -> bool:
        """Whether somebody supervises a therapist now; nobody supervises themselves."""
        if actor == therapist:
            return False
        where = care.supervises(actor, therapist, base=self._base, now=now)
        query = SearchQuery(kinds=(REGISTRY["CareTeam"].code,), where=where)
        visible = Visible.everything(tenant, reason="who supervises whom decides what is told")
        return await uow.searches.total(query, visible=visible) > 0

    async def summary(
        self, uow: UnitOfWork, therapist: str, *, scale: str | None, tenant: int
    ) -> Tree:
        """The Parameters of ``$supervision-summary``; ``therapist`` is an id."""
        await uow.lock(f"supervision|{tenant}")
        unproven = await self._definitions.unvalidated(uow, tenant=tenant)
        cells = []
        for name, by_therapist in sorted((await self._scores(uow, scale, tenant=tenant)).items()):
            if therapist not in by_therapist:
                continue
            caseloads = {
                each: await self._released(uow, each, name, published(scores), tenant=tenant)
                for each, scores in sorted(by_therapist.items())
            }
            known = name[0] not in unproven
            cells.append(_cell(*name, summary(therapist, caseloads), is_validated=known))
        return parameters(cells)

    async def _scores(
        self, uow: UnitOfWork, scale: str | None, *, tenant: int
    ) -> Mapping[_Name, _Scores]:
        """What clients answered under each therapist, by instrument and scale."""
        visible = Visible.everything(tenant, reason="figures are over all clients, for everybody")
        episodes = await matching(
            uow,
            "EpisodeOfCare",
            [("status", _TREATED)],
            visible=visible,
            limit=_EPISODES,
            base=self._base,
        )
        scales = [scale] if scale else await self._definitions.top_scales(uow, tenant=tenant)
        courses = await self._courses.courses(uow, episodes, visible=visible, scales=scales)
        found: dict[_Name, _Scores] = {}
        for episode, course in zip(episodes, courses, strict=True):
            therapist = id_in(episode.get("careManager"), "Practitioner")
            if therapist is None:
                continue
            client = self._publishing.pseudonym(course.patient, tenant=tenant)
            for series in course.series:
                known = [each.value for each in series.points if each.value is not None]
                if known and series.track.rater is Rater.CLIENT:
                    of = found.setdefault((series.track.instrument, series.track.scale), {})
                    of.setdefault(therapist, {}).setdefault(client, []).extend(known)
        return found

    async def _released(
        self,
        uow: UnitOfWork,
        therapist: str,
        name: _Name,
        clients: Mapping[str, Client],
        *,
        tenant: int,
    ) -> Mapping[str, Client] | None:
        place = "|".join(("supervision", therapist, *name))
        values = {client: " ".join(map(str, each)) for client, each in clients.items()}
        told = await self._publishing.released(uow, place, values, tenant=tenant)
        return None if told is None else {key: _client(text) for key, text in told.items()}


def _client(text: str) -> Client:
    mean, scores, squares = text.split()
    return Client(Decimal(mean), int(scores), Decimal(squares))


def _cell(instrument: str, scale: str, told: Summary | None, *, is_validated: bool) -> Part:
    effect = told.effect if told else None
    figures: Sequence[Part | None] = (
        (boolean("suppressed", value=True),)
        if told is None
        else (
            integer("n", told.clients),
            decimal("within", told.within),
            decimal("between", told.between),
            decimal("estimate", effect.shrunken if effect else None),
            decimal("low", effect.low if effect else None),
            decimal("high", effect.high if effect else None),
            decimal("reliability", effect.reliability if effect else None),
        )
    )
    return group(
        "cell",
        value("instrument", "code", instrument),
        value("scale", "code", scale),
        unvalidated(is_validated=is_validated),
        *figures,
    )
