"""Raising the labels of what former versions did not see to be made from something.

They followed a reference to a source only as ``Type/id``; with the own base URL or a version it
means the same resource. What such a reference is in, and what is made from that in turn, gets the
high-water mark of its sources, in a new version. A label is never lowered.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.fhir import json
from app.fhir.registry import REGISTRY
from app.repositories.unit_of_work import UnitOfWork, UnitsOfWork
from app.repositories.versions import StoredVersion
from app.services import labels
from app.services.derived import Derived
from app.services.labels import Source

_STEP = 200


class Relabelling:
    """Raises labels that are too low."""

    def __init__(self, *, derived: Derived, base: str) -> None:
        self._derived = derived
        self._base = base

    async def run(self, units: UnitsOfWork, tenant: int) -> int:
        """How many resources of a tenant got a new version; none where it ran before."""
        raised, concerned = 0, set[Source]()
        while True:  # a source may have been stored after what is made from it
            known, more = len(concerned), 0
            for type_name in labels.made_types():
                more += await self._type(units, tenant, type_name, concerned)
            raised += more
            if len(concerned) == known and not more:
                return raised

    async def _type(
        self, units: UnitsOfWork, tenant: int, type_name: str, concerned: set[Source]
    ) -> int:
        raised, kind = 0, REGISTRY[type_name].code
        after: int | None = 0
        while after is not None:
            async with units.read(tenant) as uow:
                after, found = await uow.index.after(
                    after, limit=_STEP, visible=labels.all_of(tenant), kind=kind
                )
            ids = [each.id for each in found if self._is_concerned(each, type_name, concerned)]
            concerned |= {(kind, id) for id in ids}
            if ids:
                async with units.write(tenant, resources=len(ids) * 16) as uow:
                    raised += await self._raise(uow, type_name, ids, tenant=tenant)
        return raised

    def _is_concerned(self, stored: StoredVersion, type_name: str, concerned: set[Source]) -> bool:
        tree = json.parse_stored(stored.text)
        sources = labels.sources_of(tree, type_name, base=self._base)
        return not (
            sources.isdisjoint(concerned) and sources <= labels.plain_sources_of(tree, type_name)
        )

    async def _raise(
        self, uow: UnitOfWork, type_name: str, ids: Sequence[str], *, tenant: int
    ) -> int:
        raised = 0
        held = await self._derived.current_of(uow, type_name, ids, tenant=tenant)
        for stored in held.values():
            if not stored.deleted:
                tree = json.parse_stored(stored.text)
                raised += await self._derived.follow(uow, tree, previous=stored, tenant=tenant)
        return raised
