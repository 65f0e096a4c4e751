"""Making the search index anew from what is stored, in steps that may be repeated."""

from __future__ import annotations

from app.db.engine import EveryTenant
from app.fhir import json
from app.fhir.registry import by_code
from app.repositories.unit_of_work import UnitsOfWork
from app.search import indexer
from app.search.visibility import Visible

_CLINICS = EveryTenant("one clinic after another is indexed")
_STEP = 200


class Reindexing:
    """Indexes every current resource of every tenant again."""

    def __init__(self, units: UnitsOfWork, *, base: str) -> None:
        self._units = units
        self._base = base

    async def run(self) -> int:
        """The number of resources indexed."""
        async with self._units.read(_CLINICS) as uow:
            tenants = [tenant.id for tenant in await uow.installation.tenants()]
        return sum([await self._tenant(tenant) for tenant in tenants])

    async def _tenant(self, tenant: int) -> int:
        visible = Visible.everything(tenant, reason="the index is made anew")
        count = 0
        after: int | None = 0
        while after is not None:
            async with self._units.write(tenant, resources=0) as uow:
                after, step = await uow.index.after(after, limit=_STEP, visible=visible)
                for stored in step:
                    tree = json.parse_resource(stored.text)
                    name = by_code(stored.kind).name
                    await uow.index.replace(
                        stored, indexer.index(tree, name, id=stored.id, base=self._base)
                    )
            count += len(step)
        return count
