"""What a route needs of the application, and who is asking."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

from fastapi import Request
from starlette.requests import HTTPConnection

from app.core.clock import Clock
from app.core.config import Settings
from app.core.errors import AppError
from app.core.ids import IdSource
from app.db.engine import EveryTenant
from app.interactions.context import Engine
from app.repositories.unit_of_work import UnitsOfWork
from app.routers.endpoint import endpoint_of
from app.routers.fields import fields_of
from app.routers.peers import address_of
from app.routers.throttle import Throttle
from app.security.authentication import Presumed
from app.security.oauth.server import AuthorizationServer
from app.security.ports import AuditSink, Unauthenticated
from app.security.principal import Principal
from app.security.root_key import RootKey
from app.services.audit import AuditTrail, RequestFacts
from app.services.audit_refusals import Refusals
from app.services.exports import Exports

_TOKENS = EveryTenant("a token says which tenant it belongs to")


@dataclass(frozen=True, slots=True)
class Services:
    """Built once in ``main.py``; routes find it with ``services_of``."""

    settings: Settings
    clock: Clock
    ids: IdSource
    units: UnitsOfWork
    engine: Engine
    trail: AuditTrail
    sink: AuditSink
    refusals: Refusals
    root: RootKey
    authorization: AuthorizationServer
    exports: Exports
    wake: Callable[[], None]
    prepare: Callable[[], None]
    throttle: Throttle

    def facts(self, request: Request) -> RequestFacts:
        """The request as the audit log will name it."""
        scope = request.scope
        target = scope["path"] + ("?" + scope["query_string"].decode("latin-1")).rstrip("?")
        return RequestFacts(
            request_id=scope["state"]["request_id"],
            address=address_of(request, self.settings.trusted_proxies),
            method=request.method,
            target=target,
        )

    async def authenticate(self, request: Request) -> Principal:
        """The caller of a request; a bad token is recorded and refused."""
        async with self._recording(request), self.units.read(_TOKENS, snapshot=False) as unit:
            principal = await self.authorization.authenticator.authenticate(
                fields_of(request.scope).get("authorization"), unit.accounts.tokens
            )
        await self._count(request, principal)
        return principal

    async def admit(self, request: Request) -> tuple[Principal, Presumed]:
        """The caller, and what is presumed of them."""
        async with self._recording(request):
            principal, presumed = await self.authorization.authenticator.presume(
                fields_of(request.scope).get("authorization")
            )
        if principal is None:
            return await self.authenticate(request), presumed
        await self._count(request, principal)
        return principal, presumed

    async def admit_signed(self, request: Request) -> Principal:
        """The client that signed this very request (CDS Hooks); a bad token is as above."""
        async with self._recording(request):
            principal = await self.authorization.cds_clients.authenticate(
                fields_of(request.scope).get("authorization"),
                audience=self.settings.origin + request.scope["path"],
            )
        await self._count(request, principal)
        return principal

    async def record_refusal(
        self, request: Request, principal: Principal, refusal: AppError
    ) -> None:
        """Keeps that a caller's request was refused before it was known what it was for."""
        if refusal.is_recorded:
            return
        # A page's address may hold a secret; of that only the route is told.
        facts = self.facts(request)
        if not request.scope["path"].startswith("/fhir"):
            facts = replace(facts, target=endpoint_of(request.scope))
        await self.units.audit.write(self.trail.failure("request", principal, facts, error=refusal))

    @asynccontextmanager
    async def recording(self, request: Request, principal: Principal) -> AsyncIterator[None]:
        """Keeps a refusal that comes meanwhile, where nobody has yet."""
        try:
            yield
        except Unauthenticated as refusal:
            if not refusal.is_recorded:
                await self.record_stranger(request, refusal.reason)
                refusal.is_recorded = True
            raise
        except AppError as refusal:
            await self.record_refusal(request, principal, refusal)
            raise

    async def record_stranger(self, connection: HTTPConnection, reason: str) -> None:
        """Counts a request of nobody known that was refused."""
        address = address_of(connection, self.settings.trusted_proxies)
        await self.refusals.add(address=address, reason=reason)

    async def _count(self, request: Request, principal: Principal) -> None:
        if not hasattr(request.state, "counted"):  # one request may be looked at twice
            request.state.counted = True
            try:
                self.throttle.check(f"{principal.client_id} {principal.subject}")
            except AppError as refusal:  # a flood is counted, not told one by one
                await self.record_stranger(request, str(refusal.category))
                raise

    @asynccontextmanager
    async def _recording(self, request: Request) -> AsyncIterator[None]:
        try:
            yield
        except Unauthenticated as refusal:
            await self.record_stranger(request, refusal.reason)
            refusal.is_recorded = True
            raise


def services_of(request: Request) -> Services:
    """The application's services."""
    return cast("Services", request.app.state.services)
