"""The authorization server put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.clock import Clock
from app.core.config import Settings
from app.core.ids import IdSource
from app.security.authentication import Authenticator
from app.security.cds_clients import CdsClients
from app.security.federation import Federation
from app.security.keyring import KeyRing
from app.security.links import AccountLinks
from app.security.notifier import Notifier
from app.security.oauth import discovery
from app.security.oauth.clients import ClientAuthenticator
from app.security.oauth.code import CodeGrants
from app.security.oauth.granting import Granting
from app.security.oauth.introspection import TokenStatus
from app.security.oauth.issuing import TokenIssuer
from app.security.oauth.token import ClientCredentials, Grant, TokenEndpoint
from app.security.oauth.userinfo import UserInfo
from app.security.passkeys import Passkeys
from app.security.passwords import Passwords
from app.security.ports import AuditSink, Fetch, Units
from app.security.root_key import RootKey
from app.security.sessions import SessionKeeper
from app.security.sign_in import SignIn


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """Everything that the OAuth routes ask; built once in ``main.py``."""

    ring: KeyRing
    authenticator: Authenticator
    cds_clients: CdsClients
    tokens: TokenEndpoint
    status: TokenStatus
    smart: Mapping[str, Any]
    openid: Mapping[str, Any]
    trusted_proxies: tuple[str, ...]
    issuer: str
    audience: str
    is_demo: bool
    csrf_key: bytes
    clock: Clock
    ids: IdSource
    units: Units
    audit: AuditSink
    granting: Granting
    userinfo: UserInfo
    hasher: Passwords
    keeper: SessionKeeper
    sign_in: SignIn
    links: AccountLinks
    passkeys: Passkeys
    federation: Federation


def build(
    settings: Settings,
    units: Units,
    *,
    root: RootKey,
    clock: Clock,
    ids: IdSource,
    audit: AuditSink,
    fetch: Fetch,
    notifier: Notifier,
    hasher: Passwords | None = None,
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
        units, audiences=frozenset({issuer, issuer + discovery.TOKEN}), clock=clock, fetch=fetch
    )
    codes = CodeGrants(units, issuer=token_issuer, audit=audit, clock=clock, ids=ids)
    hasher = hasher or Passwords()
    keeper = SessionKeeper(clock=clock, ids=ids)
    sign_in = SignIn(
        units,
        hasher=hasher,
        keeper=keeper,
        root=root,
        audit=audit,
        clock=clock,
        ids=ids,
        staff_needs_second_factor=settings.env == "production",
    )
    grants: dict[str, Grant] = {
        "authorization_code": codes.redeem,
        "refresh_token": codes.refresh,
        "client_credentials": ClientCredentials(
            units, issuer=token_issuer, audit=audit, clock=clock
        ),
    }
    return AuthorizationServer(
        ring=ring,
        authenticator=authenticator,
        cds_clients=CdsClients(units, clients=clients, clock=clock, issuer=issuer),
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
        issuer=issuer,
        audience=audience,
        is_demo=settings.env == "demo",
        csrf_key=root.derive("csrf"),
        clock=clock,
        ids=ids,
        units=units,
        audit=audit,
        granting=Granting(units, audit=audit, clock=clock, ids=ids, issuer=issuer),
        userinfo=UserInfo(units, authenticator=authenticator, audience=audience),
        hasher=hasher,
        keeper=keeper,
        sign_in=sign_in,
        passkeys=Passkeys(units, sign_in=sign_in, audit=audit, clock=clock, ids=ids, origin=issuer),
        federation=Federation(
            units,
            sign_in=sign_in,
            fetch=fetch,
            root=root,
            audit=audit,
            clock=clock,
            ids=ids,
            origin=issuer,
            demo=settings.env == "demo",
        ),
        links=AccountLinks(
            units,
            hasher=hasher,
            notifier=notifier,
            audit=audit,
            clock=clock,
            ids=ids,
            origin=issuer,
        ),
    )
