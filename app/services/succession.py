"""A Consent takes the place of an older one that it names as its source.

``Consent.sourceReference`` is how R4 lets a Consent name another. Where the newer is active, can
be computed, is about the same person and not dated before the older, the older one ends with the
same commit: a version with the status ``inactive``. Otherwise both count, and deny beats permit.
"""

from __future__ import annotations

from app.domain import consent
from app.fhir import json, primitives, references
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.security.principal import Principal
from app.services.changes import Change
from app.services.derived import Derived
from app.services.signing import Signing

_CONSENT = REGISTRY["Consent"].code


class Succession:
    """Ends what is succeeded."""

    def __init__(self, *, derived: Derived, signing: Signing, base: str) -> None:
        self._base = base
        self._derived = derived
        self._signing = signing

    async def take_place(self, uow: UnitOfWork, change: Change, *, by: Principal) -> None:
        """Ends the Consent that a change succeeds, if there is one.

        What a client signed is succeeded by what that client, or a system, writes.
        """
        tree, tenant = change.tree, by.tenant
        named = references.local(tree.get("sourceReference"), self._base) or ""
        kind, _, id = named.partition("/")
        if kind != "Consent" or id == change.id or tree.get("status") != "active":
            return
        if isinstance(
            consent.read(tree, id=change.id, version=1, base=self._base), consent.Uncomputable
        ):
            return
        everything = Visible.everything(tenant, reason="what is succeeded ends")
        locked = await uow.resources.lock(_CONSENT, id, visible=everything)
        if locked is None or locked.stored.deleted:
            return
        older = json.parse_resource(locked.stored.text)
        if not await self._signing.may_change(uow, locked.stored, by):
            return
        if older.get("status") == "active" and _succeeds(tree, older, self._base):
            ended = {**older, "status": "inactive"}
            await self._derived.follow(uow, ended, previous=locked.stored, tenant=tenant)


def _succeeds(newer: Tree, older: Tree, base: str) -> bool:
    if references.local(newer["patient"], base) != references.local(older.get("patient"), base):
        return False
    if "dateTime" not in newer:
        return False
    return "dateTime" not in older or _end(newer["dateTime"]) >= _end(older["dateTime"])


def _end(moment: str) -> int:
    return primitives.date_range(moment)[1]
