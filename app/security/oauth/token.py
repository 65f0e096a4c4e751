"""The token endpoint: one handler for each grant type.

RFC 6749 section 3.2, SMART Backend Services. What is granted is what was asked, as far as the
client is registered for it and its role allows it. Every answer and every refusal leaves an
event in the audit log, the answer's in the transaction that makes the token good.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.core.clock import Clock
from app.core.errors import AppError
from app.db.engine import UniqueViolation
from app.fhir.registry import REGISTRY
from app.repositories.accounts_clients import Client
from app.security import roles, scopes
from app.security.oauth.clients import ClientAuthenticator, ProvenClient
from app.security.oauth.errors import OAuthError, invalid_client, invalid_request
from app.security.oauth.issuing import TokenIssuer
from app.security.ports import AuditSink, EventName, SecurityEvent, Units
from app.security.scopes import ADMIN, Scopes


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request came from, for the audit."""

    address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A form sent to the token endpoint, each parameter once, with its Authorization header."""

    form: Mapping[str, str]
    authorization: str | None = None
    caller: Caller = field(default_factory=Caller)


Grant = Callable[[ProvenClient, TokenRequest], Awaitable[Mapping[str, Any]]]


class TokenEndpoint:
    """Answers token requests; ``grants`` are the grant types by name."""

    def __init__(
        self,
        *,
        clients: ClientAuthenticator,
        grants: Mapping[str, Grant],
        audit: AuditSink,
        clock: Clock,
    ) -> None:
        self._clients = clients
        self._grants = grants
        self._audit = audit
        self._clock = clock

    async def answer(self, request: TokenRequest) -> Mapping[str, Any]:
        """The token response, or ``OAuthError``; either way it is in the audit log."""
        client: Client | None = None
        try:
            grant_type = request.form.get("grant_type")
            if grant_type is None:
                raise invalid_request("grant_type is missing")
            grant = self._grants.get(grant_type)
            if grant is None:
                raise OAuthError("unsupported_grant_type", "not a grant type of this server")
            proven = await self._clients.authenticate(
                request.form, authorization=request.authorization
            )
            client = proven.client
            if grant_type not in client.grants:
                raise OAuthError(
                    "unauthorized_client", "the client is not registered for this grant type"
                )
            try:
                return await grant(proven, request)
            except UniqueViolation:
                raise invalid_client("replay") from None
        except OAuthError as refusal:
            await self._audit.record(
                SecurityEvent(
                    EventName.TOKEN_REFUSED,
                    at=self._clock.now(),
                    outcome="refused",
                    tenant=client.tenant if client else None,
                    client_id=client.client_id if client else None,
                    address=request.caller.address,
                    request_id=request.caller.request_id,
                    reason=refusal.reason,
                )
            )
            raise


class ClientCredentials:
    """The grant of a system that acts by itself: ``system/`` scopes, no refresh token."""

    def __init__(
        self, units: Units, *, issuer: TokenIssuer, audit: AuditSink, clock: Clock
    ) -> None:
        self._units = units
        self._issuer = issuer
        self._audit = audit
        self._clock = clock

    async def __call__(self, proven: ProvenClient, request: TokenRequest) -> Mapping[str, Any]:
        """The token response."""
        client = proven.client
        if client.kind == "public":
            raise OAuthError("unauthorized_client", "a public client has no grant of its own")
        granted = system_scopes(request.form.get("scope"), client)
        signer = await self._issuer.ring.signer()
        async with self._units.write() as unit:
            await proven.spend(unit.accounts)
            token = await self._issuer.issue(
                unit.accounts,
                client,
                signer=signer,
                scopes=granted,
                subject=client.client_id,
            )
            await self._audit.record(
                SecurityEvent(
                    EventName.TOKEN_ISSUED,
                    at=self._clock.now(),
                    outcome="success",
                    tenant=client.tenant,
                    client_id=client.client_id,
                    address=request.caller.address,
                    request_id=request.caller.request_id,
                ),
                unit=unit,
            )
        return {
            "access_token": token.text,
            "token_type": "Bearer",
            "expires_in": token.expires_in,
            "scope": str(granted),
        }


def system_scopes(requested: str | None, client: Client) -> Scopes:
    """What a system is granted: asked (or all), registered, and allowed to its role."""
    registered = scopes.parse(client.scope, types=REGISTRY)
    asked = registered if not requested else parsed(requested)
    granted = narrowed(asked.intersect(registered), client.role)
    systemic = tuple(scope for scope in granted.resources if scope.context == "system")
    if not systemic:
        raise OAuthError("invalid_scope", "none of the scopes can be granted")
    return Scopes(systemic, (), granted.version)


def parsed(requested: str) -> Scopes:
    """The scopes of a request, or ``invalid_scope``."""
    try:
        return scopes.parse(requested, types=REGISTRY)
    except AppError as error:
        raise OAuthError("invalid_scope", error.issues[0].diagnostics) from None


def narrowed(asked: Scopes, role: str) -> Scopes:
    """What a role leaves of scopes."""
    granted = asked.narrowed(lambda type_name: roles.actions(role, type_name))
    if role == "admin":
        return granted
    return replace(granted, plain=tuple(name for name in granted.plain if name != ADMIN))
