"""What the server makes by itself: scores, alerts, flags, tasks.

Each has an id that follows from what it was made of, so making it again changes nothing, and an
audit record of its own when it did change.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from app.fhir import json, references
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY, Interaction
from app.repositories.resources import StoredVersion
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.services import labels
from app.services.audit import AuditTrail
from app.services.changes import Change
from app.services.labels import Labels
from app.services.records import Records

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://rapport.example.org/derived")


def derived_id(*parts: str) -> str:
    """The id of what is made of these parts."""
    return str(uuid.uuid5(_NAMESPACE, "|".join(parts)))


class Derived:
    """Stores what the server makes."""

    def __init__(self, *, records: Records, trail: AuditTrail) -> None:
        self._records = records
        self._trail = trail

    async def current(
        self, uow: UnitOfWork, type_name: str, id: str, *, tenant: int
    ) -> StoredVersion | None:
        """The current version, held until the unit ends; tombstones too."""
        locked = await uow.resources.lock(REGISTRY[type_name].code, id, visible=_all(tenant))
        return locked.stored if locked else None

    async def store(self, uow: UnitOfWork, tree: Tree, *, tenant: int) -> bool:
        """Stores a resource under its own id; whether that made a new version."""
        previous = await self.current(uow, tree["resourceType"], tree["id"], tenant=tenant)
        return await self.follow(uow, tree, previous=previous, tenant=tenant)

    async def store_all(self, uow: UnitOfWork, trees: Sequence[Tree], *, tenant: int) -> None:
        """Stores resources of one type, which mostly are made from the same."""
        if not trees:
            return
        kind = REGISTRY[trees[0]["resourceType"]].code
        ids = [tree["id"] for tree in trees]
        held = await uow.resources.lock_all(kind, ids, visible=_all(tenant))
        known: dict[tuple[str, ...], Labels] = {}
        for tree in trees:
            sources = tuple(place.value for place in references.references(tree))
            if sources not in known:
                known[sources] = await _inherited(uow, tree, tenant=tenant)
            locked = held.get(tree["id"])
            previous = locked.stored if locked else None
            self._follow(uow, tree, known[sources], previous=previous, tenant=tenant)

    async def follow(
        self, uow: UnitOfWork, tree: Tree, *, previous: StoredVersion | None, tenant: int
    ) -> bool:
        """The same, where the version before is held already."""
        inherited = await _inherited(uow, tree, tenant=tenant)
        return self._follow(uow, tree, inherited, previous=previous, tenant=tenant)

    def _follow(
        self,
        uow: UnitOfWork,
        tree: Tree,
        inherited: Labels,
        *,
        previous: StoredVersion | None,
        tenant: int,
    ) -> bool:
        change = Change(
            type=tree["resourceType"],
            id=tree["id"],
            text=json.dumps(tree),
            tree=tree,
            previous=previous,
            interaction=Interaction.UPDATE if previous else Interaction.CREATE,
            inherited=inherited,
        )
        stored, changed = self._records.store(uow, change, tenant=tenant)
        if changed:
            uow.audited.extend(
                self._trail.internal(
                    "update" if previous else "create",
                    tenant=tenant,
                    entity=f"{change.type}/{change.id}",
                    version=stored.version,
                    patient=patient,
                )
                for patient in stored.patients or (None,)
            )
        return changed


async def _inherited(uow: UnitOfWork, tree: Tree, *, tenant: int) -> Labels:
    return await labels.inherited_from(uow, tree, tree["resourceType"], tenant=tenant)


def _all(tenant: int) -> Visible:
    return Visible.everything(tenant, reason="the server keeps what it makes up to date")
