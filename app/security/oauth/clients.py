"""How a client proves who it is: a signed assertion, a secret, or nothing but its name.

RFC 7521, RFC 7523, SMART App Launch 2.2 (asymmetric and symmetric client authentication). An
assertion is good once: its ``jti`` is spent in the transaction that gives the token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus, urlsplit

from app.core.clock import SECOND, Clock
from app.core.errors import AppError
from app.fhir import json
from app.repositories.accounts import Accounts
from app.repositories.accounts_clients import Client, Tenant
from app.security import jose
from app.security.keys import client_keys
from app.security.oauth.errors import OAuthError, invalid_client, invalid_request
from app.security.ports import Fetch, FetchRefused, Units
from app.security.sessions import hash_of

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_ASSERTION_LIFE: Final = 300
_JKU: Final = frozenset({"jku"})
_BETWEEN_FETCHES: Final = 30 * SECOND
_DUMMY_HASH: Final = hashlib.sha256(b"no client has this secret").digest()


@dataclass(frozen=True, slots=True)
class ProvenClient:
    """A client and how it proved itself; ``jti_hash`` is still to be spent."""

    client: Client
    method: str
    jti_hash: bytes | None = None
    expires: int = 0
    jti: str = ""

    async def spend(self, accounts: Accounts) -> None:
        """Uses its assertion up; raises ``UniqueViolation`` for a replay."""
        if self.jti_hash is not None:
            await accounts.tokens.spend_assertion(
                tenant=self.client.tenant,
                client_id=self.client.client_id,
                jti_hash=self.jti_hash,
                expires=self.expires,
            )


def secret_hash(secret: str) -> bytes:
    """What is kept of a client secret; the secret is 256 random bits, so one hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


class ClientAuthenticator:
    """Authenticates clients at the token, introspection and revocation endpoints."""

    def __init__(
        self, units: Units, *, audiences: frozenset[str], clock: Clock, fetch: Fetch
    ) -> None:
        self._units = units
        self._audiences = audiences
        self._clock = clock
        self._fetch = fetch
        self._key_sets: dict[str, _KeySet] = {}

    async def authenticate(
        self, form: Mapping[str, str], *, authorization: str | None
    ) -> ProvenClient:
        """The client that sent a form, or ``OAuthError``: one way of proof and no more."""
        methods = [
            name
            for name, used in (
                ("private_key_jwt", "client_assertion" in form or "client_assertion_type" in form),
                ("client_secret_post", "client_secret" in form),
                ("client_secret_basic", authorization is not None),
            )
            if used
        ]
        if len(methods) > 1:
            raise invalid_request("more than one way of client authentication")
        tenant = await self._clinic(form)
        if methods == ["private_key_jwt"]:
            return await self._by_assertion(form, tenant)
        if methods == ["client_secret_basic"]:
            client_id, secret = _basic(authorization or "")
            if form.get("client_id", client_id) != client_id:
                raise invalid_client("client_id differs")
            return await self._by_secret(client_id, secret, methods[0], tenant)
        client_id = form.get("client_id", "")
        if methods:
            return await self._by_secret(client_id, form["client_secret"], methods[0], tenant)
        if not client_id and "refresh_token" in form:
            client_id = await self._holder(form["refresh_token"])
        return await self._by_name(client_id, tenant)

    async def _clinic(self, form: Mapping[str, str]) -> int | None:
        """The tenant of what a form presents: which of a program's registrations it is from."""
        presented = form.get("refresh_token") or form.get("token", "")
        if "code" not in form and not presented:
            return None
        async with self._units.read() as unit:
            grants = unit.accounts.grants
            if "code" in form:
                code = await grants.code(hash_of(form["code"]))
                return code.tenant if code is not None else None
            refresh = await grants.refresh(hash_of(presented))
        return refresh.tenant if refresh is not None else _claimed(presented)

    async def _holder(self, refresh_token: str) -> str:
        """The client that a refresh token is for: public clients in use do not name themselves.

        RFC 6749 section 6 asks it of none; ``_by_name`` lets no other kind through.
        """
        now = self._clock.now()
        async with self._units.read() as unit:
            token = await unit.accounts.grants.refresh(hash_of(refresh_token))
            if token is None:
                return ""
            grant = await unit.accounts.grants.standing(token.tenant, token.grant_id, now=now)
        return grant.client_id if grant is not None else ""

    async def _by_name(self, client_id: str, tenant: int | None) -> ProvenClient:
        client = await self._usable(client_id, tenant)
        if client.kind != "public":
            raise invalid_client("no proof")
        return ProvenClient(client, "none")

    async def _by_secret(
        self, client_id: str, secret: str, method: str, tenant: int | None
    ) -> ProvenClient:
        client, clinic = await self._find(client_id, tenant)
        expected = client.secret_hash if client and client.secret_hash else _DUMMY_HASH
        if not hmac.compare_digest(secret_hash(secret), expected):
            raise invalid_client("secret")
        return ProvenClient(_checked_standing(client, clinic), method)

    async def _by_assertion(self, form: Mapping[str, str], tenant: int | None) -> ProvenClient:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise invalid_client("client_assertion_type")
        try:
            token = jose.read(form.get("client_assertion", ""), also=_JKU)
            issuer = jose.text(token.claims, "iss")
            if jose.text(token.claims, "sub") != issuer:
                raise jose.TokenRefused("claim sub")
            if form.get("client_id", issuer) != issuer:
                raise jose.TokenRefused("client_id differs")
            return await self._proven(token, await self._usable(issuer, tenant), self._audiences)
        except jose.TokenRefused as refusal:
            raise invalid_client(refusal.reason) from None

    async def by_bearer(self, text: str, *, audience: str) -> ProvenClient:
        """The client whose own key signed a token for one address, with the time of signing.

        CDS Hooks 2.0, trusting CDS Clients: there need be no ``sub``, and ``iss`` is the client's
        id, or the URI that a record system calls itself by. Then ``jku`` is the registered address
        of its keys, at the same origin; where several clinics have that, ``tenant`` says which.
        Raises ``OAuthError`` or ``TokenRefused``.
        """
        token = jose.read(text, also=_JKU)
        issuer = jose.text(token.claims, "iss")
        if token.jku is not None and _origin(issuer) is not None:
            client = await self._publishing(token.jku, issuer, token.claims.get("tenant"))
        else:
            client = await self._usable(issuer, None)
        proven = await self._proven(token, client, frozenset({audience}))
        jose.seconds(token.claims, "iat")
        return proven

    async def _publishing(self, jku: str, issuer: str, slug: object) -> Client:
        """The one client whose keys are at an address, of the clinic with a short name if any."""
        if _origin(jku) != _origin(issuer):
            raise jose.TokenRefused("claim iss")
        async with self._units.read() as unit:
            found = await unit.accounts.clients.of_key_set(jku)
            if isinstance(slug, str):
                clinic = await unit.accounts.clients.tenant_by_slug(slug)
                found = [each for each in found if clinic and each.tenant == clinic.id]
            if len(found) != 1:
                raise jose.TokenRefused("claim iss")
            clinic = await unit.accounts.clients.tenant(found[0].tenant)
        return _checked_standing(found[0], clinic)

    async def _proven(
        self, token: jose.UnverifiedToken, client: Client, audiences: frozenset[str]
    ) -> ProvenClient:
        claims = jose.verify(token, await self._key(client, token))
        return self._checked(claims, client, audiences, typ=token.typ)

    async def _usable(self, client_id: str, tenant: int | None) -> Client:
        return _checked_standing(*await self._find(client_id, tenant))

    async def _find(
        self, client_id: str, tenant: int | None
    ) -> tuple[Client | None, Tenant | None]:
        # A unit of its own: none may be held open while a key set is fetched.
        async with self._units.read() as unit:
            known = await unit.accounts.clients.registrations(client_id)
            own = [client for client in known if client.tenant == tenant]
            client = next(iter([*own, *known]), None)
            clinic = await unit.accounts.clients.tenant(client.tenant) if client else None
        return client, clinic

    def _checked(
        self,
        claims: Mapping[str, object],
        client: Client,
        accepted: frozenset[str],
        *,
        typ: str | None,
    ) -> ProvenClient:
        now = self._clock.now() // SECOND
        if (typ or "JWT").upper() != "JWT":
            raise jose.TokenRefused("typ")
        audiences = jose.audiences(claims)
        if len(audiences) != 1 or audiences[0] not in accepted:
            raise jose.TokenRefused("claim aud")
        jose.check_times(claims, now=now)
        expires = jose.seconds(claims, "exp")
        if expires > now + MAX_ASSERTION_LIFE + jose.SKEW:
            raise jose.TokenRefused("claim exp")
        jti = jose.text(claims, "jti")
        return ProvenClient(
            client,
            "private_key_jwt",
            jti_hash=hashlib.sha256(jti.encode()).digest(),
            expires=(expires + jose.SKEW + 1) * SECOND,
            jti=jti,
        )

    async def _key(self, client: Client, token: jose.UnverifiedToken) -> jose.PublicKey:
        if token.jku is not None and token.jku != client.jwks_url:
            raise jose.TokenRefused("jku")
        if client.jwks is not None:
            found = _matching(_key_set(client.jwks.encode()), token)
        elif client.jwks_url is not None:
            found = await self._remote(client.jwks_url, token)
        else:
            raise jose.TokenRefused("no key is registered")
        if len(found) != 1:
            raise jose.TokenRefused("kid")
        return found[0]

    async def _remote(self, url: str, token: jose.UnverifiedToken) -> tuple[jose.PublicKey, ...]:
        known, now = self._key_sets.get(url), self._clock.now()
        if known is not None:
            found = _matching(known.keys, token)
            # An unknown kid may be a rotated key: ask again. But whatever the last answer was,
            # nobody makes us ask in a storm.
            if now < known.fetched + _BETWEEN_FETCHES or (found and now < known.expires):
                return found
        try:
            answer = await self._fetch(url)
            keys = _key_set(answer.body)
        except FetchRefused:
            self._key_sets[url] = _KeySet((), now, now)
            raise jose.TokenRefused("key set") from None
        self._key_sets[url] = _KeySet(keys, now, now + answer.max_age * SECOND)
        return _matching(keys, token)


@dataclass(frozen=True, slots=True)
class _KeySet:
    keys: tuple[jose.PublicKey, ...]
    fetched: int
    expires: int


def _claimed(token: str) -> int | None:
    """What an access token says of its tenant; it says it to nobody who may not ask."""
    try:
        tenant = jose.read(token).claims.get("tenant")
    except jose.TokenRefused:
        return None
    return tenant if isinstance(tenant, int) else None


def _origin(address: str) -> tuple[str, str] | None:
    """Scheme and place of an https address; none of anything else."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return (parts.scheme, parts.netloc.lower()) if parts.scheme == "https" else None


def _checked_standing(client: Client | None, tenant: Tenant | None) -> Client:
    if client is None:
        raise invalid_client("unknown client")
    if not client.enabled:
        raise invalid_client("disabled client")
    if tenant is None or tenant.suspended:
        raise invalid_client("suspended tenant")
    return client


def _key_set(body: bytes) -> tuple[jose.PublicKey, ...]:
    try:
        return client_keys(json.parse_resource(body))
    except AppError:
        raise jose.TokenRefused("key set") from None


def _matching(
    keys: tuple[jose.PublicKey, ...], token: jose.UnverifiedToken
) -> tuple[jose.PublicKey, ...]:
    return tuple(k for k in keys if k.kid == token.kid and k.algorithm == token.algorithm)


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise OAuthError("invalid_client", "client authentication failed", reason="scheme")
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid_client("basic") from None
    client_id, colon, secret = decoded.partition(":")
    if not colon:
        raise invalid_client("basic")
    return unquote_plus(client_id), unquote_plus(secret)
