"""Figures over the clients of an organization that tell nothing about one of them.

They are the same for everybody who may ask: a figure over what each may see would differ from
another's by somebody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from app.domain.aggregate import Cell, cell
from app.domain.measure import mean, settle
from app.domain.trajectory import whole_forms
from app.fhir.json import Tree
from app.fhir.parameters import Part, boolean, decimal, group, integer, parameters, value
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.services.courses import Courses
from app.services.definitions import Definitions
from app.services.publishing import Publishing, Values
from app.services.trees import matching
from app.services.trends import unvalidated

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
        asked = [scale] if scale else await self._definitions.top_scales(uow, tenant=tenant)
        unproven = await self._definitions.unvalidated(uow, tenant=tenant)
        told = []
        for instrument, of_scale in sorted(
            (await self._values(uow, episodes, visible=visible)).items()
        ):
            places = {each: f"{organization}|{instrument}|{each}" for each in of_scale}
            released = await self._publishing.released_together(
                uow, {places[each]: values for each, values in of_scale.items()}, tenant=tenant
            )
            for each in sorted(of_scale.keys() & set(asked)):
                of_client = released[places[each]] or {}
                figures = {client: Decimal(text) for client, text in of_client.items()}
                known = instrument not in unproven
                told.append(_told(instrument, each, cell(figures), is_validated=known))
        return parameters(told)

    async def _values(
        self, uow: UnitOfWork, episodes: Sequence[Tree], *, visible: Visible
    ) -> Mapping[str, Mapping[str, Values]]:
        """One value a client by instrument and scale: the mean of what they answered whole."""
        scores: dict[str, dict[str, dict[str, list[Decimal]]]] = {}
        async for _, course in self._courses.in_parts(uow, episodes, visible=visible):
            pseudonym = self._publishing.pseudonym(course.patient, tenant=visible.tenant)
            for track, known in whole_forms(course.series):
                of_scale = scores.setdefault(track.instrument, {})
                of_scale.setdefault(track.scale, {}).setdefault(pseudonym, []).extend(known)
        return {
            instrument: {
                scale: {client: str(settle(mean(each))) for client, each in of_client.items()}
                for scale, of_client in of_scale.items()
            }
            for instrument, of_scale in scores.items()
        }


def _told(instrument: str, scale: str, told: Cell, *, is_validated: bool) -> Part:
    return group(
        "cell",
        value("instrument", "code", instrument),
        value("scale", "code", scale),
        unvalidated(is_validated=is_validated),
        integer("n", told.n),
        decimal("mean", told.mean),
        decimal("sd", told.sd),
        boolean("suppressed", value=True) if told.suppressed else None,
    )
