"""One therapist's figures, for the supervisor and the clinical lead (``domain/supervision.py``).

They are about one therapist at a time and over all clients of the clinic, whoever asks. Each
caseload is published for itself, all scales of an instrument together, so that nobody's figures,
and nobody's place among others, tell of fewer than five clients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from app.domain.measure import Rater
from app.domain.supervision import Client, Summary, published, summary
from app.domain.trajectory import whole_forms
from app.fhir.json import Tree
from app.fhir.parameters import Part, boolean, decimal, group, integer, parameters, value
from app.fhir.registry import REGISTRY
from app.repositories.unit_of_work import UnitOfWork
from app.search.query import SearchQuery
from app.search.visibility import Visible
from app.security import care
from app.services.courses import Courses, id_in
from app.services.definitions import Definitions
from app.services.publishing import Publishing, Values
from app.services.trees import matching
from app.services.trends import unvalidated

_EPISODES = 100_000
_TREATED = "active,onhold,finished"
# Scores by therapist, scale and client.
_ByTherapist: TypeAlias = dict[str, dict[str, dict[str, list[Decimal]]]]


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
        asked = [scale] if scale else await self._definitions.top_scales(uow, tenant=tenant)
        unproven = await self._definitions.unvalidated(uow, tenant=tenant)
        cells = []
        for instrument, by_therapist in sorted((await self._scores(uow, tenant=tenant)).items()):
            caseloads = {
                each: await self._released(uow, each, instrument, of_scale, tenant=tenant)
                for each, of_scale in sorted(by_therapist.items())
            }
            known = instrument not in unproven
            for each in sorted(by_therapist.get(therapist, {}).keys() & set(asked)):
                told = summary(
                    therapist, {name: of[each] for name, of in caseloads.items() if each in of}
                )
                cells.append(_cell(instrument, each, told, is_validated=known))
        return parameters(cells)

    async def _scores(self, uow: UnitOfWork, *, tenant: int) -> Mapping[str, _ByTherapist]:
        """What clients answered whole under each therapist, by instrument."""
        visible = Visible.everything(tenant, reason="figures are over all clients, for everybody")
        episodes = await matching(
            uow,
            "EpisodeOfCare",
            [("status", _TREATED)],
            visible=visible,
            limit=_EPISODES,
            base=self._base,
        )
        found: dict[str, _ByTherapist] = {}
        async for episode, course in self._courses.in_parts(uow, episodes, visible=visible):
            therapist = id_in(episode.get("careManager"), "Practitioner", self._base)
            if therapist is None:
                continue
            client = self._publishing.pseudonym(course.patient, tenant=tenant)
            for track, known in whole_forms(course.series):
                if track.rater is Rater.CLIENT:
                    of = found.setdefault(track.instrument, {}).setdefault(therapist, {})
                    of.setdefault(track.scale, {}).setdefault(client, []).extend(known)
        return found

    async def _released(
        self,
        uow: UnitOfWork,
        therapist: str,
        instrument: str,
        of_scale: Mapping[str, Mapping[str, Sequence[Decimal]]],
        *,
        tenant: int,
    ) -> Mapping[str, Mapping[str, Client] | None]:
        """What may be told of a caseload, by scale."""
        places = {scale: f"supervision|{therapist}|{instrument}|{scale}" for scale in of_scale}
        values = {
            places[scale]: {
                client: " ".join(map(str, each)) for client, each in published(scores).items()
            }
            for scale, scores in of_scale.items()
        }
        told = await self._publishing.released_together(uow, values, tenant=tenant)
        return {scale: _clients(told[place]) for scale, place in places.items()}


def _clients(told: Values | None) -> Mapping[str, Client] | None:
    return None if told is None else {client: _client(text) for client, text in told.items()}


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
