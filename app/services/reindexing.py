"""Making the search index anew from what is stored, in steps that may be repeated.

With it go what Consents and Groups say, and the labels of what is made from something.
"""

from __future__ import annotations

from typing import Final

from app.db.engine import Database, EveryTenant
from app.fhir import json
from app.fhir.registry import by_code
from app.repositories.installation import Installation
from app.repositories.unit_of_work import UnitOfWork, UnitsOfWork
from app.repositories.versions import StoredVersion
from app.search import indexer, secrecy
from app.search.visibility import Visible
from app.services import projections
from app.services.relabelling import Relabelling

_CLINICS = EveryTenant("one clinic after another is indexed")
_STEP = 200
_RENEWED_TO: Final = "index-renewed-to"


class Reindexing:
    """Indexes every current resource of every tenant again."""

    def __init__(self, units: UnitsOfWork, *, relabelling: Relabelling, base: str) -> None:
        self._units = units
        self._relabelling = relabelling
        self._base = base

    async def run(self) -> int:
        """The number of resources indexed, from the first to the last."""
        return await self._from(0, 0)

    async def renew(self) -> int:
        """Brings an index of another version to this one's form, or goes on doing so.

        The number of resources indexed now, 0 where all is as this version searches it.
        """
        async with self._units.read(_CLINICS) as uow:
            if await uow.installation.fact(secrecy.FORM_FACT) == secrecy.form():
                return 0
            reached = await uow.installation.fact(_RENEWED_TO) or ""
        form, _, place = reached.partition(" ")
        tenant, _, rid = place.partition(" ")
        return await (self._from(int(tenant), int(rid)) if form == secrecy.form() else self.run())

    async def _from(self, tenant: int, rid: int) -> int:
        async with self._units.read(_CLINICS) as uow:
            left = [each.id for each in await uow.installation.tenants() if each.id >= tenant]
        count = sum([await self._tenant(each, rid if each == tenant else 0) for each in left])
        async with self._units.write(_CLINICS, resources=0) as uow:
            await uow.installation.set_fact(secrecy.FORM_FACT, secrecy.form())
            await uow.installation.set_fact(_RENEWED_TO, "")
        return count

    async def _tenant(self, tenant: int, rid: int) -> int:
        count = 0
        after: int | None = rid
        await self._relabelling.run(self._units, tenant)
        while after is not None:
            async with self._units.write(tenant, resources=0) as uow:
                after, indexed = await self._step(uow, tenant, after)
            count += indexed
        return count

    async def _step(self, uow: UnitOfWork, tenant: int, rid: int) -> tuple[int | None, int]:
        visible = Visible.everything(tenant, reason="the index is made anew")
        after, found = await uow.index.after(rid, limit=_STEP, visible=visible)
        for stored in found:
            tree = json.parse_stored(stored.text)
            name = by_code(stored.kind).name
            indexed = indexer.index(tree, name, id=stored.id, base=self._base)
            await uow.index.replace(stored, indexed)
            if name in projections.DECIDING:
                await self._decide(uow, stored, visible=visible)
        if after is None:
            await uow.index.hash_rules(tenant)
        else:
            await uow.index.hash_classes(tenant, after=rid, upto=after)
            await uow.installation.set_fact(_RENEWED_TO, f"{secrecy.form()} {tenant} {after}")
        return after, len(found)

    async def _decide(self, uow: UnitOfWork, stored: StoredVersion, *, visible: Visible) -> None:
        """Projects the version of this moment: what was withdrawn meanwhile stays withdrawn."""
        held = await uow.resources.lock(stored.kind, stored.id, visible=visible)
        if held is None or held.stored.deleted:
            return
        now = held.stored
        projections.project(
            uow,
            json.parse_stored(now.text),
            by_code(now.kind).name,
            now.id,
            version=now.version,
            tenant=now.tenant,
            base=self._base,
        )


async def is_indexed(database: Database) -> bool:
    """Whether the index of a database is as this version searches it."""
    async with database.read(_CLINICS) as connection:
        return await Installation(connection).fact(secrecy.FORM_FACT) == secrecy.form()
