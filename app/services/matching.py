"""Whose an event is: found by a search of the subscriber's with the Subscription's filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from app.core.clock import Clock
from app.fhir import backport, json
from app.fhir.json import Tree
from app.fhir.notifications import Happened
from app.fhir.registry import REGISTRY, by_code
from app.repositories.resources import StoredVersion
from app.repositories.subscription_events import UNMATCHED, Event
from app.repositories.subscriptions import Standing
from app.repositories.unit_of_work import UnitOfWork, UnitsOfWork
from app.search.expression import And, Ids
from app.search.query import SearchQuery
from app.search.visibility import Visible
from app.security.principal import Principal
from app.security.subscribers import concern_of, owner_of, sight_of
from app.services import topics
from app.services.subscriptions import Subscriptions

_SUBSCRIPTION = REGISTRY["Subscription"].code
_AT_ONCE: Final = 200


class Matching:
    """Matches events against what Subscriptions ask for."""

    def __init__(self, *, subscriptions: Subscriptions, clock: Clock, base: str) -> None:
        self._subscriptions = subscriptions
        self._clock = clock
        self._issuer = base.removesuffix("/fhir")

    async def match(self, units: UnitsOfWork, standing: Standing) -> None:
        """Keeps of the new events those that the Subscription's filters and its owner find."""
        async with units.write(standing.tenant, late=True) as uow:
            events = await uow.events.in_state(
                standing.tenant, standing.id, UNMATCHED, limit=_AT_ONCE
            )
            if not events:
                return
            owner = await self.owner(uow, standing)
            tree = await resource_of(uow, standing)
            topic = topics.topics()[standing.topic]
            asked = backport.asked(tree) if tree is not None else None
            kept: list[Event] = []
            if owner is not None and asked is not None:
                finds, _ = sight_of(owner, await concern_of(owner, uow.consents))
                queries = self._subscriptions.criteria(topic, asked)
                kept = [event for event in events if await _meets(uow, event, queries, finds)]
            stays = {event.oid for event in kept}
            await uow.events.keep(kept)
            await uow.events.drop([e for e in events if e.oid not in stays])

    async def owner(self, uow: UnitOfWork, standing: Standing) -> Principal | None:
        """Whose a Subscription is, with the rights of now; None where they may not be told."""
        return await owner_of(uow.accounts, standing, issuer=self._issuer, at=self._clock.now())


async def resource_of(uow: UnitOfWork, standing: Standing) -> Tree | None:
    """The Subscription itself."""
    visible = Visible.everything(standing.tenant, reason="what was asked to be told of")
    stored = await uow.resources.read(_SUBSCRIPTION, standing.id, visible=visible)
    if stored is None or stored.deleted:
        return None
    return json.parse_stored(stored.text)


async def happened(
    uow: UnitOfWork, events: Sequence[Event], sight: tuple[Visible, Visible], *, content: str
) -> list[tuple[Event, Happened, StoredVersion]]:
    """The events whose focus may be seen now, as they are told.

    ``sight`` is what their reader finds, and what their reader may read.
    """
    found = []
    for event in events:
        stored = await _seen(uow, event, sight)
        if stored is not None:
            told = Happened(
                number=event.number or 0,
                at=event.at,
                type=by_code(event.kind).name,
                id=event.id,
                version=event.version,
                text=stored.text if content == "full-resource" else None,
            )
            found.append((event, told, stored))
    return found


async def _meets(
    uow: UnitOfWork, event: Event, queries: Sequence[SearchQuery], finds: Visible
) -> bool:
    for query in queries:
        one = replace(query, where=And((query.where, Ids((event.id,)))))
        if not await uow.searches.matches(one, visible=finds, limit=1):
            return False
    return True


async def _seen(
    uow: UnitOfWork, event: Event, sight: tuple[Visible, Visible]
) -> StoredVersion | None:
    """The focus as it may be read now, where it may be found too."""
    finds, reads = sight
    stored = await uow.resources.read(event.kind, event.id, visible=reads)
    if stored is None or stored.deleted:
        return None
    if finds is not reads and await uow.resources.read(event.kind, event.id, visible=finds) is None:
        return None
    return stored
