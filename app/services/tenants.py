"""Tenants and what each is given: the shipped instruments; and the definitions all share."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Final

from app.core.clock import Clock
from app.core.errors import AppError, Category
from app.db.engine import EveryTenant
from app.fhir import definitions, json
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY, Interaction
from app.repositories.installation import SHARED, Tenant
from app.repositories.unit_of_work import UnitOfWork, UnitsOfWork
from app.search import secrecy
from app.search.visibility import Visible
from app.services import instruments, operation_definitions
from app.services.changes import Change
from app.services.records import Records

_LOADED = "shared-definitions"
_CLINICS = EveryTenant("which clinics there are is the installation's")
_BATCH = 100
_SLUG: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")


class Tenants:
    """Makes tenants and keeps the definitions up to date."""

    def __init__(
        self,
        units: UnitsOfWork,
        records: Records,
        *,
        software: Callable[[], Tree],
        clock: Clock,
    ) -> None:
        """``software`` gives the CapabilityStatement of every server that runs this."""
        self._units = units
        self._software = software
        self._records = records
        self._clock = clock

    async def add(self, slug: str, name: str) -> Tenant:
        """A new tenant with the shipped instruments. A slug is taken once, and never changes."""
        if not _SLUG.fullmatch(slug):
            raise AppError.of(
                Category.INVALID, "value", "a slug is up to 40 of a-z, 0-9 and -, a letter first"
            )
        shipped = list(_tenant_owned())
        async with self._units.write(_CLINICS, resources=len(shipped)) as uow:
            if slug in [tenant.slug for tenant in await uow.installation.tenants()]:
                raise AppError.of(Category.CONFLICT, "duplicate", f"there is a tenant {slug}")
            tenant = await uow.installation.add_tenant(slug, name, now=self._clock.now())
            await uow.turn_to(tenant.id)
            for tree in shipped:
                await self._keep(uow, tree, tenant=tenant.id)
        return tenant

    async def load_shared(self) -> int:
        """Stores the definitions that every tenant reads; the number stored, 0 when current."""
        if await self.has_shared():
            return 0
        trees = list(self._shared())
        async with self._units.write(_CLINICS) as uow:
            if SHARED not in [tenant.id for tenant in await uow.installation.tenants()]:
                await uow.installation.add_tenant(
                    "shared", "Definitions", now=self._clock.now(), id=SHARED
                )
                await uow.installation.set_fact(secrecy.FORM_FACT, secrecy.form())
        for start in range(0, len(trees), _BATCH):
            async with self._units.write(SHARED, resources=_BATCH) as uow:
                for tree in trees[start : start + _BATCH]:
                    await self._keep(uow, tree, tenant=SHARED)
        async with self._units.write(_CLINICS) as uow:
            await uow.installation.set_fact(_LOADED, _digest(trees))
        return len(trees)

    async def has_shared(self) -> bool:
        """Whether the stored definitions are those of this version."""
        async with self._units.read(_CLINICS) as uow:
            return await uow.installation.fact(_LOADED) == _digest(self._shared())

    def _shared(self) -> Iterable[Tree]:
        """Read-only definitions: HL7's, then ours."""
        yield from (tree for tree in definitions.conformance() if _is_shared(tree))
        yield from (tree for tree in instruments.shipped() if _is_shared(tree))
        yield from operation_definitions.shipped()
        yield self._software()

    async def _keep(self, uow: UnitOfWork, tree: Tree, *, tenant: int) -> None:
        type_name = tree["resourceType"]
        visible = Visible.everything(tenant, reason="shipped definitions are kept up to date")
        locked = await uow.resources.lock(REGISTRY[type_name].code, tree["id"], visible=visible)
        previous = locked.stored if locked else None
        change = Change(
            type=type_name,
            id=tree["id"],
            text=json.dumps(tree),
            tree=tree,
            previous=previous,
            interaction=Interaction.UPDATE if previous else Interaction.CREATE,
        )
        self._records.store(uow, change, tenant=tenant)


def _digest(trees: Iterable[Tree]) -> str:
    return hashlib.sha256(b"".join(map(json.dumps, trees))).hexdigest()


def _tenant_owned() -> Iterable[Tree]:
    yield from (tree for tree in instruments.shipped() if not _is_shared(tree))


def _is_shared(tree: Tree) -> bool:
    return REGISTRY[tree["resourceType"]].store == "shared"
