"""The authorization server put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.clock import Clock
from app.core.config import Settings
from app.core.ids import IdSource
from app.security.authentication import Authenticator
from app.security.keyring import KeyRing
from app.security.keys import RootKey
from app.security.oauth import discovery
from app.security.oauth.clients import ClientAuthenticator
from app.security.oauth.introspection import TokenStatus
from app.security.oauth.issuing import TokenIssuer
from app.security.oauth.token import ClientCredentials, Grant, TokenEndpoint
from app.security.ports import AuditSink, Fetch, Units


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """Everything that the OAuth routes ask; built once in ``main.py``."""

    ring: KeyRing
    authenticator: Authenticator
    tokens: TokenEndpoint
    status: TokenStatus
    smart: Mapping[str, Any]
    openid: Mapping[str, Any]
    trusted_proxies: tuple[str, ...]


def build(
    settings: Settings,
    units: Units,
    *,
    root: RootKey,
    clock: Clock,
    ids: IdSource,
    audit: AuditSink,
    fetch: Fetch,
) -> AuthorizationServer:
    """The authorization server for these settings."""
    issuer, audience = settings.origin, settings.fhir_base
    ring = KeyRing(units, root=root, clock=clock)
    authenticator = Authenticator(issuer=issuer, audience=audience, ring=ring, clock=clock)
    token_issuer = TokenIssuer(
        issuer=issuer,
        audience=audience,
        ring=ring,
        clock=clock,
        ids=ids,
        lifetime=settings.access_token_seconds,
    )
    clients = ClientAuthenticator(
        units, audiences=frozenset({issuer + discovery.TOKEN}), clock=clock, fetch=fetch
    )
    grants: dict[str, Grant] = {
        "client_credentials": ClientCredentials(
            units, issuer=token_issuer, audit=audit, clock=clock
        ),
    }
    return AuthorizationServer(
        ring=ring,
        authenticator=authenticator,
        tokens=TokenEndpoint(clients=clients, grants=grants, audit=audit, clock=clock),
        status=TokenStatus(
            units,
            clients=clients,
            authenticator=authenticator,
            audit=audit,
            clock=clock,
            issuer=issuer,
            audience=audience,
        ),
        smart=discovery.smart_configuration(settings.origin, grants=grants),
        openid=discovery.openid_configuration(settings.origin, grants=grants),
        trusted_proxies=settings.trusted_proxies,
    )
