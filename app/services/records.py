"""The write path: the one way in which a version comes to be.

A version, its index rows, whose it is and the reactions it calls for are stored together in
the caller's unit of work. What the client wrote is stored as it wrote it, with the server's
``id`` and ``meta`` spliced in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from app.core.clock import MILLISECOND, Clock, format_instant
from app.fhir import json, references, splice
from app.fhir.registry import REGISTRY, Interaction, by_code
from app.repositories.outbox import Written
from app.repositories.resources import StoredVersion
from app.repositories.subscription_events import Announced
from app.repositories.unit_of_work import UnitOfWork
from app.repositories.versions import CLINIC
from app.search import indexer
from app.search.found import Whose
from app.services import labels, projections, topics
from app.services.changes import Change

_INTERACTIONS = {
    Interaction.CREATE: 1,
    Interaction.UPDATE: 2,
    Interaction.PATCH: 3,
    Interaction.DELETE: 4,
}
METHODS = {1: "POST", 2: "PUT", 3: "PATCH", 4: "DELETE"}
_PATIENT = REGISTRY["Patient"].code


class Records:
    """Stores versions; ``reactions`` names what must follow a write of each type.

    Those ``of_the_patient`` follow once for each patient that a unit of work writes about.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        reactions: Mapping[str, tuple[str, ...]],
        base: str,
        of_the_patient: Collection[str] = (),
    ) -> None:
        self._clock = clock
        self._reactions = reactions
        self._of_the_patient = of_the_patient
        self.base = base

    def store(self, uow: UnitOfWork, change: Change, *, tenant: int) -> tuple[StoredVersion, bool]:
        """The version stored and whether it is new: equal content makes no version."""
        previous = change.previous
        before = None
        if previous is not None and not previous.deleted:
            before = json.parse_stored(previous.text)
        tree, marks = labels.labelled(
            change.tree, change.type, before=before, inherited=change.inherited
        )
        if previous and before and splice.same_content(before, {**tree, "id": change.id}):
            return previous, False
        version = previous.version + 1 if previous else 1
        updated = self._moment(previous)
        text = splice.splice(
            change.text,
            change.tree,
            id=change.id,
            version_id=str(version),
            last_updated=format_instant(updated),
            security=tree["meta"]["security"],
        )
        indexed = indexer.index(tree, change.type, id=change.id, base=self.base)
        stored = StoredVersion(
            tenant=tenant,
            kind=REGISTRY[change.type].code,
            id=change.id,
            rid=previous.rid if previous else uow.number(),
            version=version,
            updated=updated,
            deleted=False,
            interaction=_INTERACTIONS[change.interaction],
            text=text,
            key_owner=_key_owner(change, indexed, self.base),
            confidentiality=marks.rank,
            sensitivity=marks.bits,
            data_class=labels.data_class(tree, change.type),
            whose=Whose(_patients(indexed)),
        )
        uow.resources.append(stored, indexed=indexed, previous=previous)
        projections.project(
            uow, tree, change.type, change.id, version=version, tenant=tenant, base=self.base
        )
        self._call_for_reactions(uow, stored, change.type)
        for topic in topics.told(change.type, before, tree):
            announce(uow, stored, topic.code)
        return stored, True

    def end(self, uow: UnitOfWork, previous: StoredVersion) -> StoredVersion:
        """Stores the tombstone that ends a resource."""
        stored = replace(
            previous,
            version=previous.version + 1,
            updated=self._moment(previous),
            deleted=True,
            interaction=_INTERACTIONS[Interaction.DELETE],
            text=b"",
        )
        uow.resources.append(stored, indexed=None, previous=previous)
        name = by_code(stored.kind).name
        projections.project(
            uow, None, name, stored.id, version=stored.version, tenant=stored.tenant, base=self.base
        )
        self._call_for_reactions(uow, stored, name)
        return stored

    def _moment(self, previous: StoredVersion | None) -> int:
        # As lastUpdated tells it: a search or a history by that instant finds this version, and
        # no other of the resource, even when the clock steps back.
        now = self._clock.now() // MILLISECOND * MILLISECOND
        return max(now, previous.updated + MILLISECOND) if previous else now

    def _call_for_reactions(self, uow: UnitOfWork, stored: StoredVersion, type_name: str) -> None:
        for reaction in self._reactions.get(type_name, ()):
            if reaction in self._of_the_patient and stored.patients:
                called = (reaction, stored.patients)
                if called in uow.called:
                    continue
                uow.called.add(called)
            uow.written.append(
                Written(
                    tenant=stored.tenant,
                    oid=uow.number(),
                    reaction=reaction,
                    kind=stored.kind,
                    id=stored.id,
                    version=stored.version,
                )
            )


def announce(uow: UnitOfWork, stored: StoredVersion, topic: str) -> None:
    """Tells of a version under a topic, whoever is subscribed to it."""
    uow.announced.append(
        Announced(
            tenant=stored.tenant,
            topic=topic,
            oid=uow.number(),
            kind=stored.kind,
            id=stored.id,
            version=stored.version,
            at=stored.updated,
        )
    )


def _patients(indexed: indexer.Indexed) -> tuple[str, ...]:
    return tuple(sorted({id for kind, id in indexed.compartments if kind == _PATIENT}))


def _key_owner(change: Change, indexed: indexer.Indexed, base: str) -> str:
    """Whose key seals the text: the subject's, the couple's, or the clinic's."""
    if change.type == "Group":
        return f"Group/{change.id}"
    subject = change.tree.get("subject") or change.tree.get("patient") or {}
    named = references.local(subject, base)
    if named is not None and named.startswith(("Patient/", "Group/")):
        return named
    patients = _patients(indexed)
    return f"Patient/{patients[0]}" if patients else CLINIC
