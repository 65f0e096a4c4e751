"""What a token stands for, and taking one back: RFC 7662 and RFC 7009.

A client learns of its own tokens only; a resource server that is registered for it, of all
tokens of its tenant. Whatever is not good is just ``active: false``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.core.clock import SECOND, Clock
from app.domain import consent
from app.domain.consent import token as pcf
from app.fhir import json
from app.fhir.registry import REGISTRY
from app.repositories.accounts import Accounts
from app.repositories.accounts_clients import Client
from app.search.visibility import Visible
from app.security import jose
from app.security.authentication import Authenticator, VerifiedToken, rejected
from app.security.oauth.clients import ClientAuthenticator
from app.security.oauth.errors import invalid_client, invalid_request
from app.security.oauth.token import TokenRequest
from app.security.ports import AuditSink, EventName, SecurityEvent, Unauthenticated, Unit, Units
from app.security.principal import Principal
from app.security.sessions import hash_of

_CONSENT: Final = REGISTRY["Consent"].code
RESOURCE_SERVER: Final = "resource-server"
_INACTIVE: Final[Mapping[str, Any]] = {"active": False}


class TokenStatus:
    """Introspects and revokes access tokens."""

    def __init__(
        self,
        units: Units,
        *,
        clients: ClientAuthenticator,
        authenticator: Authenticator,
        audit: AuditSink,
        clock: Clock,
        issuer: str,
        audience: str,
    ) -> None:
        self._units = units
        self._clients = clients
        self._authenticator = authenticator
        self._audit = audit
        self._clock = clock
        self._issuer = issuer
        self._audience = audience

    async def introspect(self, request: TokenRequest) -> Mapping[str, Any]:
        """The RFC 7662 answer, or ``OAuthError`` for a caller that is not authenticated."""
        text = _token(request)
        asker = await self._asker(request)
        try:
            token = await self._authenticator.verify(text)
        except jose.TokenRefused:
            async with self._units.read() as unit:
                return await self._refresh_state(text, asker, unit.accounts)
        if not _may_ask(asker, token.tenant, token.client_id):
            return _INACTIVE
        async with self._units.read() as unit:
            return await self._state(token, unit)

    async def revoke(self, request: TokenRequest) -> None:
        """Makes a token void; one that is unknown or another's changes nothing (RFC 7009)."""
        text = _token(request)
        proven = await self._clients.authenticate(request.form, authorization=request.authorization)
        async with self._units.write() as unit:
            await proven.spend(unit.accounts)
            if not await self._revoke(text, proven.client, unit.accounts):
                return
            await self._audit.record(
                SecurityEvent(
                    EventName.TOKEN_REVOKED,
                    at=self._clock.now(),
                    outcome="success",
                    tenant=proven.client.tenant,
                    client_id=proven.client.client_id,
                    address=request.caller.address,
                    request_id=request.caller.request_id,
                ),
                unit=unit,
            )

    async def _revoke(self, text: str, client: Client, accounts: Accounts) -> bool:
        try:
            token = await self._authenticator.verify(text)
        except jose.TokenRefused:
            return await self._revoke_family(text, client, accounts)
        if (token.tenant, token.client_id) != (client.tenant, client.client_id):
            return False
        await accounts.tokens.revoke(token.tenant, token.token_id, at=self._clock.now())
        return True

    async def _revoke_family(self, text: str, client: Client, accounts: Accounts) -> bool:
        """Voids the grant behind a refresh token, and with it every token that it gave."""
        now = self._clock.now()
        refresh = await accounts.grants.unused_refresh(hash_of(text), now=now)
        if refresh is None:
            return False
        grant = await accounts.grants.standing(refresh.tenant, refresh.grant_id, now=now)
        if grant is None or (grant.tenant, grant.client_id) != (client.tenant, client.client_id):
            return False
        return await accounts.grants.revoke(grant.tenant, grant.grant_id, at=now)

    async def _refresh_state(
        self, text: str, asker: Client, accounts: Accounts
    ) -> Mapping[str, Any]:
        now = self._clock.now()
        refresh = await accounts.grants.unused_refresh(hash_of(text), now=now)
        if refresh is None:
            return _INACTIVE
        grant = await accounts.grants.standing(refresh.tenant, refresh.grant_id, now=now)
        if grant is None or not _may_ask(asker, grant.tenant, grant.client_id):
            return _INACTIVE
        return {
            "active": True,
            "scope": grant.scope,
            "client_id": grant.client_id,
            "exp": refresh.expires // SECOND,
            "iss": self._issuer,
            "sub": grant.account_id,
        }

    async def _asker(self, request: TokenRequest) -> Client:
        authorization = request.authorization
        if authorization is not None and authorization.lower().startswith("bearer "):
            return await self._bearer(authorization)
        proven = await self._clients.authenticate(request.form, authorization=authorization)
        if proven.method == "none":
            raise invalid_client("a public client may not ask")
        if proven.jti_hash is not None:
            async with self._units.write() as unit:
                await proven.spend(unit.accounts)
        return proven.client

    async def _bearer(self, authorization: str) -> Client:
        async with self._units.read() as unit:
            try:
                caller = await self._authenticator.authenticate(authorization, unit.accounts.tokens)
            except Unauthenticated as refusal:
                raise invalid_client(refusal.reason) from None
            client = await unit.accounts.clients.find(caller.client_id, tenant=caller.tenant)
        if client is None:
            raise rejected("void")
        return client

    async def _state(self, token: VerifiedToken, unit: Unit) -> Mapping[str, Any]:
        caller = await self._authenticator.principal(token, unit.accounts.tokens)
        if caller is None:
            return _INACTIVE
        state: dict[str, Any] = {
            "active": True,
            "scope": str(token.scopes),
            "client_id": token.client_id,
            "token_type": "Bearer",
            "exp": token.expires,
            "iat": token.issued,
            "iss": self._issuer,
            "sub": token.subject,
            "aud": self._audience,
            "jti": token.token_id,
        }
        if caller.patient is not None:
            state["patient"] = caller.patient
            state |= await self._consented(caller, unit)
        if caller.is_person and caller.actor is not None and "fhirUser" in token.scopes:
            state["fhirUser"] = f"{self._audience}/{caller.actor}"
        return state

    async def _consented(self, caller: Principal, unit: Unit) -> Mapping[str, Any]:
        """What the patient in context decided of the caller, as IHE PCF says it."""
        assert caller.patient is not None
        everything = Visible.everything(caller.tenant, reason="a decision is told with its token")
        await unit.turn_to(caller.tenant)
        policies, uris = [], {}
        for id in await unit.consents.of_patient(caller.patient, tenant=caller.tenant):
            stored = await unit.resources.read(_CONSENT, id, visible=everything)
            tree = json.parse_resource(stored.text) if stored and not stored.deleted else {}
            policy = consent.read(
                tree, id=id, version=stored.version if stored else 0, base=self._audience
            )
            if isinstance(policy, consent.Policy):
                policies.append(policy)
                uris[id] = [each["uri"] for each in tree.get("policy", ()) if "uri" in each]
        concern = await unit.consents.concern(
            caller.known_as, tenant=caller.tenant, now=caller.at, rated=False
        )
        request = consent.Request(
            actor=caller.known_as,
            memberships=frozenset(concern.actors),
            action="r",
            purpose=caller.purpose,
            now=caller.at,
        )
        own = caller.role == "client"  # whose decisions they are, nobody is to hold them to
        speaking = policies if own else pcf.speaking(policies, request)
        if not speaking:
            return {}
        acp = sorted({uri for each in speaking for uri in uris[each.consent]})
        decided = {
            "patient_id": f"{self._audience}/Patient/{caller.patient}",
            "doc_id": [f"{self._audience}/Consent/{each.consent}" for each in speaking],
            **({"acp": acp} if acp else {}),
            "residual": [] if own else pcf.residual(speaking, request),
        }
        return {"extensions": {"ihe_pcf": decided}}


def _token(request: TokenRequest) -> str:
    text = request.form.get("token")
    if not text:
        raise invalid_request("token is missing")
    return text


def _may_ask(asker: Client, tenant: int, client_id: str) -> bool:
    if asker.tenant != tenant:
        return False
    return asker.kind == RESOURCE_SERVER or asker.client_id == client_id
