"""Figures over the clients of an organization that tell nothing about one of them.

They are the same for everybody who may ask: a figure over what each may see would differ from
another's by somebody. What was told is kept under pseudonyms, since what is told next must not
differ from it by fewer than five clients (``domain/aggregate.py``).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from decimal import Decimal

from app.core.clock import Clock
from app.domain.aggregate import Cell, cell, differ, release
from app.domain.measure import mean, settle
from app.fhir import json
from app.fhir.json import Tree
from app.fhir.parameters import Part, boolean, decimal, group, integer, parameters, value
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.services.courses import Course, Courses
from app.services.definitions import Definitions
from app.services.trees import matching

_EPISODES = 100_000
_Values = Mapping[str, Decimal]


class Benchmarks:
    """Tells an organization's figures; ``key`` makes pseudonyms that nobody else can make."""

    def __init__(
        self, *, courses: Courses, definitions: Definitions, clock: Clock, key: bytes, base: str
    ) -> None:
        self._courses = courses
        self._definitions = definitions
        self._clock = clock
        self._key = key
        self._base = base

    async def benchmark(
        self, uow: UnitOfWork, organization: str, *, scale: str | None, tenant: int
    ) -> Tree:
        """The Parameters of ``$benchmark``."""
        await uow.lock(f"benchmark|{tenant}")
        visible = Visible.everything(tenant, reason="figures are over all clients, for everybody")
        episodes = await matching(
            uow,
            "EpisodeOfCare",
            [("organization", f"Organization/{organization}")],
            visible=visible,
            limit=_EPISODES,
            base=self._base,
        )
        scales = [scale] if scale else await self._tops(uow, tenant=tenant)
        courses = await self._courses.courses(uow, episodes, visible=visible, scales=scales)
        cells = self._values(courses, tenant=tenant)
        return parameters(
            [
                _told(*name, await self._released(uow, organization, name, values, tenant=tenant))
                for name, values in sorted(cells.items())
            ]
        )

    async def _tops(self, uow: UnitOfWork, *, tenant: int) -> Sequence[str]:
        """The scale that sums up each instrument."""
        keys = await self._definitions.scoring_keys(uow, tenant=tenant)
        return sorted({key.scales[-1].code for key in keys if key.scales})

    def _values(self, courses: Sequence[Course], *, tenant: int) -> dict[tuple[str, str], _Values]:
        """One value a client for each instrument and scale: the mean of all their scores."""
        scores: dict[tuple[str, str], dict[str, list[Decimal]]] = {}
        for course in courses:
            pseudonym = self._pseudonym(f"{tenant}|{course.patient}")
            for series in course.series:
                of_client = scores.setdefault((series.track.instrument, series.track.scale), {})
                known = [each.value for each in series.points if each.value is not None]
                if known:
                    of_client.setdefault(pseudonym, []).extend(known)
        return {
            name: {client: settle(mean(each)) for client, each in of_client.items()}
            for name, of_client in scores.items()
        }

    async def _released(
        self,
        uow: UnitOfWork,
        organization: str,
        name: tuple[str, str],
        values: _Values,
        *,
        tenant: int,
    ) -> Cell:
        place = "|".join((organization, *name))
        earlier = [_opened(body) for body in await uow.releases.of(tenant, place)]
        told = release(values, earlier)
        if told is not None and all(differ(told, each) for each in earlier):
            await uow.releases.add(
                tenant, place, _kept(told), number=len(earlier), now=self._clock.now()
            )
        return cell(told)

    def _pseudonym(self, client: str) -> str:
        return hmac.digest(self._key, client.encode(), "sha256")[:12].hex()


def _kept(values: _Values) -> bytes:
    return json.dumps({client: str(each) for client, each in sorted(values.items())})


def _opened(body: bytes) -> _Values:
    return {client: Decimal(text) for client, text in json.parse_resource(body).items()}


def _told(instrument: str, scale: str, told: Cell) -> Part:
    return group(
        "cell",
        value("instrument", "code", instrument),
        value("scale", "code", scale),
        integer("n", told.n),
        decimal("mean", told.mean),
        decimal("sd", told.sd),
        boolean("suppressed", value=True) if told.suppressed else None,
    )
