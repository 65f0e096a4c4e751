"""What the server makes by itself: scores, alerts, flags, tasks.

Each has an id that follows from what it was made of, so making it again changes nothing, and an
audit record of its own when it did change.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from app.fhir import json
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY, Interaction
from app.repositories.resources import StoredVersion
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.services import labels
from app.services.audit import AuditTrail
from app.services.changes import Change
from app.services.labels import Labels
from app.services.records import Records, announce

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
        return (await self.current_of(uow, type_name, [id], tenant=tenant)).get(id)

    async def current_of(
        self, uow: UnitOfWork, type_name: str, ids: Sequence[str], *, tenant: int
    ) -> Mapping[str, StoredVersion]:
        """The same of several, by id."""
        kind = REGISTRY[type_name].code
        locked = await uow.resources.lock_all(kind, ids, visible=_all(tenant))
        return {id: each.stored for id, each in locked.items()}

    async def store(
        self, uow: UnitOfWork, tree: Tree, *, tenant: int, topic: str | None = None
    ) -> bool:
        """Stores a resource under its own id; whether that made a new version.

        A new version is told of under ``topic``, where there is one.
        """
        previous = await self.current(uow, tree["resourceType"], tree["id"], tenant=tenant)
        return await self.follow(uow, tree, previous=previous, tenant=tenant, topic=topic)

    async def store_all(self, uow: UnitOfWork, trees: Sequence[Tree], *, tenant: int) -> None:
        """Stores resources of one type, which mostly are made from the same or from each other.

        What is made from another of them comes after it.
        """
        if not trees:
            return
        type_name = trees[0]["resourceType"]
        ids = [tree["id"] for tree in trees]
        held = await self.current_of(uow, type_name, ids, tenant=tenant)
        sources = [labels.sources_of(tree, type_name, base=self._records.base) for tree in trees]
        known = dict(
            await labels.of(uow, frozenset().union(*sources), visible=labels.all_of(tenant))
        )
        for tree, its in zip(trees, sources, strict=True):
            inherited = labels.highest(known[each] for each in its if each in known)
            previous = held.get(tree["id"])
            stored, _ = self._follow(uow, tree, inherited, previous=previous, tenant=tenant)
            known[stored.kind, stored.id] = Labels(stored.confidentiality, stored.sensitivity)

    async def follow(
        self,
        uow: UnitOfWork,
        tree: Tree,
        *,
        previous: StoredVersion | None,
        tenant: int,
        topic: str | None = None,
    ) -> bool:
        """The same, where the version before is held already."""
        inherited = await labels.inherited_from(
            uow,
            tree,
            tree["resourceType"],
            visible=labels.all_of(tenant),
            base=self._records.base,
        )
        stored, changed = self._follow(uow, tree, inherited, previous=previous, tenant=tenant)
        if changed and topic is not None:
            announce(uow, stored, topic)
        return changed

    def _follow(
        self,
        uow: UnitOfWork,
        tree: Tree,
        inherited: Labels,
        *,
        previous: StoredVersion | None,
        tenant: int,
    ) -> tuple[StoredVersion, bool]:
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
        return stored, changed


def _all(tenant: int) -> Visible:
    return Visible.everything(tenant, reason="the server keeps what it makes up to date")
