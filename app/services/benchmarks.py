"""Figures over the clients of an organization that tell nothing about one of them.

They are the same for everybody who may ask: a figure over what each may see would differ from
another's by somebody.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from app.domain.aggregate import Cell, cell
from app.domain.measure import mean, settle
from app.fhir.json import Tree
from app.fhir.parameters import Part, boolean, decimal, group, integer, parameters, value
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.services.courses import Course, Courses
from app.services.definitions import Definitions
from app.services.publishing import Publishing, Values
from app.services.trees import matching

_EPISODES = 100_000


class Benchmarks:
    """Tells an organization's figures."""

    def __init__(
        self, *, courses: Courses, definitions: Definitions, publishing: Publishing, base: str
    ) -> None:
        self._courses = courses
        self._definitions = definitions
        self._publishing = publishing
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
        scales = [scale] if scale else await self._definitions.top_scales(uow, tenant=tenant)
        courses = await self._courses.courses(uow, episodes, visible=visible, scales=scales)
        cells = self._values(courses, tenant=tenant)
        told = []
        for name, values in sorted(cells.items()):
            place = "|".join((organization, *name))
            released = await self._publishing.released(uow, place, values, tenant=tenant)
            figures = {client: Decimal(text) for client, text in (released or {}).items()}
            told.append(_told(*name, cell(figures)))
        return parameters(told)

    def _values(self, courses: Sequence[Course], *, tenant: int) -> dict[tuple[str, str], Values]:
        """One value a client for each instrument and scale: the mean of all their scores."""
        scores: dict[tuple[str, str], dict[str, list[Decimal]]] = {}
        for course in courses:
            pseudonym = self._publishing.pseudonym(course.patient, tenant=tenant)
            for series in course.series:
                of_client = scores.setdefault((series.track.instrument, series.track.scale), {})
                known = [each.value for each in series.points if each.value is not None]
                if known:
                    of_client.setdefault(pseudonym, []).extend(known)
        return {
            name: {client: str(settle(mean(each))) for client, each in of_client.items()}
            for name, of_client in scores.items()
        }


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
