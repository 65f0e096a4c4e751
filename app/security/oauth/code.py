"""The authorization code and refresh token grants.

RFC 6749, RFC 7636, RFC 9700. A code is used up before anything else about it is judged, so that
whatever is wrong burns it; a code or refresh token that comes a second time was stolen from
somebody, and takes with it everything that it ever gave.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, Final

from app.core.clock import SECOND, Clock
from app.core.ids import IdSource
from app.fhir.registry import REGISTRY
from app.repositories.accounts_grants import Code, Grant, RefreshToken
from app.repositories.accounts_people import Account
from app.security import jose, scopes
from app.security.oauth.clients import ProvenClient
from app.security.oauth.errors import OAuthError, invalid_grant, invalid_request
from app.security.oauth.issuing import TokenIssuer
from app.security.oauth.token import TokenRequest, parsed
from app.security.ports import AuditSink, EventName, SecurityEvent, Unit, Units
from app.security.scopes import Scopes
from app.security.sessions import hash_of

REFRESH_IDLE: Final = 14 * 86_400 * SECOND
ID_TOKEN_LIFE: Final = 600
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class CodeGrants:
    """Answers ``authorization_code`` and ``refresh_token`` requests."""

    def __init__(
        self,
        units: Units,
        *,
        issuer: TokenIssuer,
        audit: AuditSink,
        clock: Clock,
        ids: IdSource,
    ) -> None:
        self._units = units
        self._issuer = issuer
        self._audit = audit
        self._clock = clock
        self._ids = ids

    async def redeem(self, proven: ProvenClient, request: TokenRequest) -> Mapping[str, Any]:
        """The tokens that a code stands for."""
        form = request.form
        for name in ("code", "redirect_uri", "code_verifier"):
            if name not in form:
                raise invalid_request(f"{name} is missing")
        code_hash, now = hash_of(form["code"]), self._clock.now()
        signer = await self._issuer.ring.signer()
        async with self._units.write() as unit:
            await proven.spend(unit.accounts)
            code = await unit.accounts.grants.code(code_hash)
            if code is None:
                raise invalid_grant("unknown code")
            fresh = await unit.accounts.grants.use_code(code_hash, at=now)
            reason = _code_flaw(code, form, proven, fresh=fresh, now=now)
            grant = await unit.accounts.grants.standing(code.tenant, code.grant_id, now=now)
            if not reason and grant is not None:
                return await self._answer(unit, proven, grant, request, signer=signer)
            if grant is not None:
                await _void(unit, grant, at=now, stolen=reason == "reused")
            if reason == "reused":
                await self._record(
                    EventName.CODE_REUSED, unit, proven, request, subject=_subject(grant)
                )
        raise invalid_grant(reason or "void")

    async def refresh(self, proven: ProvenClient, request: TokenRequest) -> Mapping[str, Any]:
        """New tokens for a refresh token, which this uses up."""
        if "refresh_token" not in request.form:
            raise invalid_request("refresh_token is missing")
        asked = parsed(request.form["scope"]) if request.form.get("scope") else None
        token_hash, now = hash_of(request.form["refresh_token"]), self._clock.now()
        signer = await self._issuer.ring.signer()
        async with self._units.write() as unit:
            await proven.spend(unit.accounts)
            token = await unit.accounts.grants.refresh(token_hash)
            if token is None:
                raise invalid_grant("unknown refresh token")
            grant = await unit.accounts.grants.standing(token.tenant, token.grant_id, now=now)
            narrower = _narrower(asked, grant)  # a request that is wrong uses nothing up
            fresh = await unit.accounts.grants.use_refresh(token_hash, at=now)
            reason = _refresh_flaw(token, grant, proven, fresh=fresh, now=now)
            if not reason and grant is not None:
                return await self._answer(
                    unit, proven, grant, request, signer=signer, scope=narrower, refreshed=True
                )
            if grant is not None:
                await _void(unit, grant, at=now, stolen=reason == "reused")
            if reason == "reused":
                await self._record(
                    EventName.REFRESH_REUSED, unit, proven, request, subject=_subject(grant)
                )
        raise invalid_grant(reason or "void")

    async def _answer(
        self,
        unit: Unit,
        proven: ProvenClient,
        grant: Grant,
        request: TokenRequest,
        *,
        signer: jose.KeyPair,
        scope: Scopes | None = None,
        refreshed: bool = False,
    ) -> Mapping[str, Any]:
        account = await unit.accounts.people.find(grant.tenant, grant.account_id)
        if account is None or grant.client_generation != proven.client.generation:
            raise invalid_grant("void")
        granted = scopes.parse(grant.scope, types=REGISTRY)
        current = scope if scope is not None else granted
        token = await self._issuer.issue(
            unit.accounts,
            proven.client,
            signer=signer,
            scopes=current,
            subject=account.account_id,
            grant_id=grant.grant_id,
            fhir_user=account.fhir_user if "fhirUser" in current else None,
            patient=grant.patient,
        )
        answer: dict[str, Any] = {
            "access_token": token.text,
            "token_type": "Bearer",
            "expires_in": token.expires_in,
            "scope": str(current),
        }
        if "offline_access" in granted or "online_access" in granted:
            answer["refresh_token"] = await self._next_refresh(unit, grant)
        if "openid" in current:
            answer["id_token"] = self._id_token(proven, grant, account, current, signer)
        answer |= _context(grant)
        await self._record(
            EventName.TOKEN_REFRESHED if refreshed else EventName.TOKEN_ISSUED,
            unit,
            proven,
            request,
            subject=account.account_id,
        )
        return answer

    async def _next_refresh(self, unit: Unit, grant: Grant) -> str:
        text = jose.encode(self._ids.random(32))
        await unit.accounts.grants.add_refresh(
            RefreshToken(
                token_hash=hash_of(text),
                tenant=grant.tenant,
                grant_id=grant.grant_id,
                expires=min(self._clock.now() + REFRESH_IDLE, grant.expires),
            )
        )
        return text

    def _id_token(
        self,
        proven: ProvenClient,
        grant: Grant,
        account: Account,
        granted: Scopes,
        signer: jose.KeyPair,
    ) -> str:
        now = self._clock.now() // SECOND
        claims: dict[str, Any] = {
            "iss": self._issuer.issuer,
            "sub": account.account_id,
            "aud": proven.client.client_id,
            "iat": now,
            "exp": now + ID_TOKEN_LIFE,
            "auth_time": grant.auth_time // SECOND,
            "amr": grant.amr.split(),
            **person_claims(account, granted, base=self._issuer.audience),
        }
        if grant.nonce is not None:
            claims["nonce"] = grant.nonce
        return jose.sign(claims, signer, typ="JWT")

    async def _record(
        self,
        name: EventName,
        unit: Unit,
        proven: ProvenClient,
        request: TokenRequest,
        *,
        subject: str | None,
    ) -> None:
        reused = name in (EventName.CODE_REUSED, EventName.REFRESH_REUSED)
        await self._audit.record(
            SecurityEvent(
                name,
                at=self._clock.now(),
                outcome="refused" if reused else "success",
                tenant=proven.client.tenant,
                client_id=proven.client.client_id,
                subject=subject,
                address=request.caller.address,
                request_id=request.caller.request_id,
            ),
            unit=unit,
        )


def person_claims(account: Account, granted: Scopes, *, base: str) -> dict[str, Any]:
    """What scopes let a client know of a person."""
    claims: dict[str, Any] = {}
    if "profile" in granted or "fhirUser" in granted:
        claims["name"] = account.name
    if "fhirUser" in granted and account.fhir_user is not None:
        claims["fhirUser"] = f"{base}/{account.fhir_user}"
    return claims


def _context(grant: Grant) -> dict[str, Any]:
    named = {"patient": grant.patient, "encounter": grant.encounter, "intent": grant.intent}
    context: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if grant.patient is not None:
        context["need_patient_banner"] = True
    return context


async def _void(unit: Unit, grant: Grant, *, at: int, stolen: bool) -> None:
    """Ends what came of a grant; what a thief may have left behind with it too."""
    which = (grant.tenant, grant.grant_id)
    await unit.accounts.grants.revoke(*which, at=at)
    if stolen:
        await unit.accounts.left_behind.end_of_grant(*which, at=at)


def _code_flaw(
    code: Code, form: Mapping[str, str], proven: ProvenClient, *, fresh: bool, now: int
) -> str:
    client = proven.client
    if (code.tenant, code.client_id) != (client.tenant, client.client_id):
        return "another client's code"
    if not fresh:
        return "reused"
    if code.expires <= now:
        return "expired"
    if form["redirect_uri"] != code.redirect_uri:
        return "redirect_uri"
    verifier = form["code_verifier"]
    if not _VERIFIER.fullmatch(verifier):
        return "code_verifier"
    challenge = jose.encode(hashlib.sha256(verifier.encode()).digest())
    return "" if hmac.compare_digest(challenge, code.challenge) else "code_verifier"


def _refresh_flaw(
    token: RefreshToken, grant: Grant | None, proven: ProvenClient, *, fresh: bool, now: int
) -> str:
    client = proven.client
    if not fresh:
        return "reused"
    if grant is None:
        return "void"
    if (grant.tenant, grant.client_id) != (client.tenant, client.client_id):
        return "another client's refresh token"
    return "expired" if token.expires <= now else ""


def _narrower(asked: Scopes | None, grant: Grant | None) -> Scopes | None:
    """The scopes that a refresh asked for, or ``invalid_scope`` for more than was granted."""
    if asked is None or grant is None:
        return None
    granted = scopes.parse(grant.scope, types=REGISTRY)
    within = asked.intersect(granted)
    if not (
        set(asked.resources) <= set(within.resources) and set(asked.plain) <= set(granted.plain)
    ):
        raise OAuthError("invalid_scope", "more than was granted")
    return asked


def _subject(grant: Grant | None) -> str | None:
    return grant.account_id if grant is not None else None
