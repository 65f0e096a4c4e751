"""Sockets of subscribers: what binds one to Subscriptions, and what there is to send over it.

A token is short-lived and good once; the database has its hash. Whoever binds a socket is whoever
asked for the token, with the rights of now: of their own Subscriptions alone, since these are told
by their owner's rights. Every process that has a socket looks by itself, so none is special.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.core.clock import SECOND, Clock
from app.core.ids import IdSource
from app.repositories.binding_tokens import BindingToken
from app.repositories.subscription_events import WAITING
from app.repositories.subscriptions import Standing
from app.repositories.unit_of_work import UnitOfWork, UnitsOfWork
from app.security import jose
from app.security.principal import Principal
from app.security.sessions import hash_of
from app.security.subscribers import owner_of
from app.services.deliveries import Deliveries, Letter

TOKEN_LIFE: Final = 60 * SECOND
MOST: Final = 20  # Subscriptions that one token binds


class Bindings:
    """Binds sockets."""

    def __init__(self, *, deliveries: Deliveries, clock: Clock, ids: IdSource, base: str) -> None:
        self._deliveries = deliveries
        self._clock = clock
        self._ids = ids
        self._issuer = base.removesuffix("/fhir")

    async def issue(self, uow: UnitOfWork, ids: Sequence[str], by: Principal) -> tuple[str, int]:
        """A token for Subscriptions, and until when it is good (microseconds)."""
        token, expires = jose.encode(self._ids.random(32)), self._clock.now() + TOKEN_LIFE
        await uow.binding_tokens.add(
            BindingToken(
                token_hash=hash_of(token),
                tenant=by.tenant,
                subscriptions=tuple(ids),
                client_id=by.client_id,
                account_id=by.subject if by.is_person else None,
                scope=str(by.scopes),
                patient=by.patient,
                expires=expires,
            )
        )
        return token, expires

    async def bind(self, units: UnitsOfWork, token: str) -> BindingToken | None:
        """Uses a token up; None where it binds nothing, or its holder may not listen any more."""
        async with units.accounts.write() as uow:
            bound = await uow.binding_tokens.use(hash_of(token), now=self._clock.now())
            if bound is None or await self._holder(uow, bound) is None:
                return None
            return bound

    async def open(self, units: UnitsOfWork, bound: BindingToken) -> Sequence[Standing]:
        """Those of a socket's Subscriptions that are still its own; none where rights ended."""
        async with units.read(bound.tenant) as uow:
            if await self._holder(uow, bound) is None:
                return []
            found = [await uow.subscriptions.find(bound.tenant, id) for id in bound.subscriptions]
        return [
            each
            for each in found
            if each is not None
            and _is_own(each, bound.client_id, bound.account_id)
            and each.status in ("requested", "active")
        ]

    async def greeting(self, units: UnitsOfWork, standing: Standing) -> Letter | None:
        """The handshake of a Subscription that a socket was bound to."""
        if standing.due > self._clock.now():
            return None  # another socket is being told
        return await self._deliveries.take(units, standing, greets=True)

    async def next(self, units: UnitsOfWork, standing: Standing) -> Letter | None:
        """What there is to send for a Subscription, claimed; None where that is nothing now."""
        now = self._clock.now()
        if standing.status != "active" or standing.due > now:
            return None
        if not standing.heartbeat or standing.sent + standing.heartbeat > now:
            async with units.read(standing.tenant) as uow:
                key = (standing.tenant, standing.id)
                if not await uow.events.in_state(*key, WAITING, limit=1):
                    return None
        return await self._deliveries.take(units, standing)

    async def _holder(self, uow: UnitOfWork, bound: BindingToken) -> Principal | None:
        return await owner_of(uow.accounts, bound, issuer=self._issuer, at=self._clock.now())


def is_own(standing: Standing, principal: Principal) -> bool:
    """Whether somebody may listen to a Subscription: it has a socket and is their own."""
    account = principal.subject if principal.is_person else None
    return _is_own(standing, principal.client_id, account)


def _is_own(standing: Standing, client_id: str, account_id: str | None) -> bool:
    owner = (standing.client_id, standing.account_id)
    return standing.channel == "websocket" and owner == (client_id, account_id)
