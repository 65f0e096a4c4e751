"""Telling subscribers what happened: what is due, by the rights of now, and what became of it.

An event is matched once, soon after it happened: it is the subscriber's if a search of theirs with
the Subscription's filters would find it. At each delivery everything is judged again: what its
owner may not see by then is forgotten without a word. Numbers are given to what is about to be
told, one after the other, so none is missing where something was hidden; a number that may have
been read stays with its event. The audit record is durable before the first byte leaves, and no
transaction is open while an endpoint takes its time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from app.core.clock import SECOND, Clock
from app.core.ids import IdSource
from app.fhir import backport, json
from app.fhir.backport import Asked
from app.fhir.notifications import Happened, NotificationType, Told, notification
from app.repositories.resources import StoredVersion
from app.repositories.subscription_events import TOLD, WAITING, Event
from app.repositories.subscriptions import Standing
from app.repositories.unit_of_work import UnitOfWork, UnitsOfWork
from app.security.hooks import NotTaken, Post
from app.security.principal import Principal
from app.security.subscribers import concern_of, sight_of
from app.services import matching, topics
from app.services.audit import AuditTrail, Grounds
from app.services.derived import Derived
from app.services.grounds import opened
from app.services.matching import Matching
from app.services.subscriptions import Subscriptions

_MARGIN: Final = 5 * SECOND  # that a claim outlasts an answer by
_LONGEST_WAIT: Final = 300 * SECOND
_NO_OWNER: Final = "whoever asked for it may not be told any more"
_ENDED: Final = "it has ended"


@dataclass(frozen=True, slots=True)
class Letter:
    """What is to be sent for a Subscription that is claimed until ``claimed``."""

    standing: Standing
    kind: NotificationType
    asked: Asked
    body: bytes
    claimed: int
    events: tuple[Event, ...] = ()


class _Found(NamedTuple):
    """Events that wait: those that are told, those that are hidden, why the former are seen."""

    told: Sequence[tuple[Event, Happened, StoredVersion]] = ()
    hidden: Sequence[Event] = ()
    grounds: Mapping[str, Grounds] = {}


class Deliveries:
    """Matches events, makes notifications of them and keeps whether they were taken."""

    def __init__(
        self,
        *,
        subscriptions: Subscriptions,
        matching: Matching,
        derived: Derived,
        trail: AuditTrail,
        post: Post,
        clock: Clock,
        ids: IdSource,
        retry_for: int,
        base: str,
    ) -> None:
        self._subscriptions = subscriptions
        self._matching = matching
        self._derived = derived
        self._trail = trail
        self._post = post
        self._clock = clock
        self._ids = ids
        self._retry_for = retry_for
        self._base = base

    async def serve(self, units: UnitsOfWork, standing: Standing) -> None:
        """Does what is due for one Subscription: matches, and sends one notification."""
        await self._matching.match(units, standing)
        now = self._clock.now()
        if standing.due > now or (standing.status == "error" and standing.until > now):
            return
        pulled = standing.channel == "websocket" and standing.status == "active"
        if pulled and standing.until > now:
            return  # a socket takes what there is
        letter = await self.take(units, standing)
        if letter is None:
            return
        try:
            await self._post(
                letter.asked.endpoint,
                letter.body,
                headers=self._subscriptions.headers(letter.standing),
                within=letter.asked.timeout,
            )
        except NotTaken as failure:
            await self.failed(units, letter, failure.words, reached=failure.reached)
        else:
            await self.taken(units, letter)

    async def take(
        self, units: UnitsOfWork, standing: Standing, *, greets: bool = False
    ) -> Letter | None:
        """What is to be sent now, claimed, numbered and recorded; None where that is nothing.

        A socket that was just bound is greeted with a handshake.
        """
        # Looked at before the transaction begins; the claim fails where something changed since.
        async with units.write(standing.tenant, late=True) as uow:
            tree = await matching.resource_of(uow, standing)
            asked = backport.asked(tree) if tree is not None else Asked()
            now = self._clock.now()
            claimed = now + asked.timeout * SECOND + _MARGIN
            owner = await self._matching.owner(uow, standing)
            is_told = owner is not None and standing.status == "active" and not greets
            found = await _found(uow, standing, asked, owner) if owner and is_told else _Found()
            if not await uow.subscriptions.claim(standing, until=claimed):
                return None
            if tree is None:
                await uow.subscriptions.end(standing.tenant, standing.id)
                return None
            asks = standing.status == "requested" and standing.channel == "websocket"
            if owner is not None and standing.until > now and (greets or not asks):
                if is_told and not found.told and not _beats(standing, now):
                    await uow.events.drop(found.hidden)
                    await uow.subscriptions.settle(replace(standing, due=now), claimed=claimed)
                    return None
                kind: NotificationType = "handshake"
                if is_told:
                    kind = "event-notification" if found.told else "heartbeat"
                return await self._letter(uow, standing, asked, owner, found, kind, claimed)
        if standing.until <= now:
            await self._stand(units, standing, "off", claimed, words=_ENDED)
        elif owner is None:
            await self._stand(units, standing, "error", claimed, words=_NO_OWNER)
        else:
            await self._stand(units, standing, "active", claimed)
        return None

    async def taken(self, units: UnitsOfWork, letter: Letter) -> None:
        """Keeps that a notification arrived."""
        standing, now = letter.standing, self._clock.now()
        if standing.status == "requested":
            await self._stand(units, standing, "active", letter.claimed, sent=now)
            return
        async with units.write(standing.tenant) as uow:
            await uow.events.mark([replace(e, state=TOLD) for e in letter.events])
            well = replace(standing, due=now, failures=0, failing=None, sent=now)
            await uow.subscriptions.settle(well, claimed=letter.claimed)

    async def released(self, units: UnitsOfWork, letter: Letter) -> None:
        """Gives up a claim: whoever was to be told went away, and is told when they are back."""
        again = replace(letter.standing, due=self._clock.now())
        async with units.write(again.tenant) as uow:
            await uow.subscriptions.settle(again, claimed=letter.claimed)

    async def failed(
        self, units: UnitsOfWork, letter: Letter, words: str, *, reached: bool
    ) -> None:
        """Keeps that a notification was not taken: it is tried again, for so long.

        Where nobody can have read it, its events have no numbers yet.
        """
        standing, now = letter.standing, self._clock.now()
        since = standing.failing if standing.failing is not None else now
        ends = standing.status == "requested" or now - since >= self._retry_for
        async with units.write(standing.tenant) as uow:
            mine = replace(standing, due=letter.claimed)
            if not await uow.subscriptions.claim(mine, until=letter.claimed):
                return  # a client wrote it meanwhile, or it was too long ago
            if not reached and letter.events:
                fresh = [e for e in letter.events if e.number and e.number > standing.number]
                await uow.events.mark([replace(e, number=None) for e in fresh])
                await uow.subscriptions.count_up(standing, standing.number)
            if not ends:
                wait = min(SECOND << min(standing.failures, 16), _LONGEST_WAIT)
                later = replace(
                    standing, due=now + wait, failures=standing.failures + 1, failing=since
                )
                await uow.subscriptions.settle(later, claimed=letter.claimed)
        if ends:
            await self._stand(units, standing, "error", letter.claimed, words=words)

    async def _letter(  # noqa: PLR0917 - what a letter is made of
        self,
        uow: UnitOfWork,
        standing: Standing,
        asked: Asked,
        owner: Principal,
        found: _Found,
        kind: NotificationType,
        claimed: int,
    ) -> Letter:
        """Numbers what is told, records it and makes the notification of it."""
        told, number = list(found.told), standing.number
        for place, (event, happened, stored) in enumerate(told):
            if event.number is None:
                number += 1
                numbered = replace(event, number=number)
                told[place] = (numbered, replace(happened, number=number), stored)
        if kind != "handshake":
            await uow.events.drop(found.hidden)
            await uow.events.mark([event for event, _, _ in told])
            await uow.subscriptions.count_up(standing, number)
        self._record(uow, standing, owner, kind, told, grounds=found.grounds)
        topic = topics.topics()[standing.topic].canonical
        body = notification(
            Told(standing.id, topic, standing.status, number),
            kind,
            base=self._base,
            ids=(self._ids.new_id(), self._ids.new_id()),
            now=self._clock.now(),
            content=asked.content,
            happened=[happened for _, happened, _ in told],
        )
        events = tuple(event for event, _, _ in told)
        return Letter(standing, kind, asked, body, claimed, events)

    def _record(
        self,
        uow: UnitOfWork,
        standing: Standing,
        owner: Principal,
        kind: str,
        told: Sequence[tuple[Event, Happened, StoredVersion]],
        *,
        grounds: Mapping[str, Grounds],
    ) -> None:
        """Who is about to be told of what: one record for each event and patient."""
        about = {"subscription": standing.id, "type": kind}
        if not told:
            entity = f"Subscription/{standing.id}"
            uow.audited.extend(
                self._trail.success("notification", owner, entity=entity, detail=about)
            )
        for event, happened, stored in told:
            uow.audited.extend(
                self._trail.success(
                    "notification",
                    owner,
                    entity=f"{happened.type}/{happened.id}",
                    version=stored.version,
                    whose=stored.told,
                    opened=grounds,
                    detail={**about, "number": str(event.number)},
                )
            )

    async def _stand(
        self,
        units: UnitsOfWork,
        standing: Standing,
        status: str,
        claimed: int,
        *,
        words: str | None = None,
        sent: int | None = None,
    ) -> None:
        """Keeps a new status, in the resource too, unless a client wrote it meanwhile."""
        tenant, id = standing.tenant, standing.id
        new = replace(
            standing,
            status=status,
            collects=int(status in ("active", "error")),
            due=self._clock.now(),
            failures=0,
            failing=None,
            sent=standing.sent if sent is None else sent,
        )
        async with units.write(tenant, resources=2) as uow:
            # Held first, as whoever writes the Subscription does.
            held = await self._derived.current(uow, "Subscription", id, tenant=tenant)
            if not await uow.subscriptions.settle(new, claimed=claimed):
                return
            if status == "off":
                await uow.events.drop_waiting(tenant, id)
            if held is None or held.deleted:
                return
            tree = {**json.parse_stored(held.text), "status": status}
            tree.pop("error", None)
            if words is not None:
                tree["error"] = words
            await self._derived.follow(uow, tree, previous=held, tenant=tenant)


async def _found(uow: UnitOfWork, standing: Standing, asked: Asked, owner: Principal) -> _Found:
    """What waits to be told, as far as its owner may see it now."""
    concern = await concern_of(owner, uow.consents)
    key = (standing.tenant, standing.id)
    events = await uow.events.in_state(*key, WAITING, limit=asked.max_count)
    sight = sight_of(owner, concern)
    told = await matching.happened(uow, events, sight, content=asked.content)
    seen = {event.oid for event, _, _ in told}
    return _Found(
        told,
        [event for event in events if event.oid not in seen],
        await opened(uow, owner, concern, [stored.rid for _, _, stored in told]),
    )


def _beats(standing: Standing, now: int) -> bool:
    """Whether it is time to say that there is nothing to say."""
    return standing.heartbeat > 0 and standing.sent + standing.heartbeat <= now
