"""From an Authorization header to a Principal.

RFC 6750 and RFC 9068. What a signature proves does not change, so verified claims are kept by
the hash of the token; what stands behind the token may change at any moment, so one indexed
query asks for it on every request: the token, its client, person, grant, tenant and key must all
still stand. A request may presume what the last one with its token found, and ask together with
its own first query whether that is still so: of everything, or within the second in which that
was asked of the clinic's access stamp alone. Every bad token gets the same answer.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.core.clock import SECOND, Clock
from app.core.errors import AppError
from app.db.engine import Row
from app.fhir.registry import REGISTRY
from app.repositories.access_stamp import stamp_query
from app.repositories.accounts import Accounts
from app.repositories.accounts_tokens import Standing, Tokens, standing_query
from app.repositories.concern import concern_of, concern_query, rated_of, rating_query
from app.repositories.session import Proviso
from app.search.asker import Concern
from app.security import jose, scopes
from app.security.keyring import KeyRing
from app.security.ports import Unauthenticated
from app.security.principal import PATIENT_REQUEST, Principal
from app.security.scopes import Scopes
from app.security.sessions import PAGES

ACCESS_TOKEN: Final = "at+jwt"
RECENT: Final = 300
_REALM: Final = 'Bearer realm="rapport"'
_BEARER = re.compile(r"bearer ([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_KEPT: Final = 4096


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """The claims of a token whose signature is ours. It may have been revoked since."""

    subject: str
    client_id: str
    tenant: int
    token_id: str
    issued: int
    expires: int
    scopes: Scopes


@dataclass(slots=True)
class _Known:
    """A verified token, and what was found of its caller when it was last asked."""

    token: VerifiedToken
    standing: Standing | None = None
    concern: Concern | None = None
    held: _Held | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    """When everything presumed was last asked for and held, and the clinic's stamp at that time.

    Until the second ends no period begins or ends, and while the stamp stays nothing changed.
    """

    second: int
    stamp: int


def _forget(_concern: Concern) -> None:
    """Nothing is kept."""


@dataclass(frozen=True, slots=True)
class Presumed:
    """What a request presumes: how Consents concern the caller, and what must hold for it.

    Nothing is presumed where there is no concern; who learns it then says so with ``learnt``.
    """

    concern: Concern | None = None
    provisos: tuple[Proviso, ...] = ()
    learnt: Callable[[Concern], None] = _forget


class Authenticator:
    """Says who a bearer token stands for."""

    def __init__(self, *, issuer: str, audience: str, ring: KeyRing, clock: Clock) -> None:
        self._issuer = issuer
        self._audience = audience
        self._ring = ring
        self._clock = clock
        self._verified: OrderedDict[bytes, _Known] = OrderedDict()

    async def authenticate(self, authorization: str | None, tokens: Tokens) -> Principal:
        """The caller, or ``Unauthenticated``. ``authorization`` is the header's value."""
        known = await self._bearer(authorization)
        principal = await self._principal(known, tokens)
        if principal is None:
            raise rejected("void")
        return principal

    async def presume(self, authorization: str | None) -> tuple[Principal | None, Presumed]:
        """The caller as the token's last request left them, and what must still be so.

        No caller where the token is new here; ``Unauthenticated`` where it is none of ours.
        """
        known = await self._bearer(authorization)
        token, standing, concern = known.token, known.standing, known.concern

        def learnt(concern: Concern) -> None:
            known.concern, known.held = concern, None

        if standing is None or concern is None:
            return None, Presumed(learnt=learnt)
        now = self._clock.now()
        principal = _principal(token, standing, issuer=self._issuer, at=now)
        held = known.held
        if held is not None and held.second == now // SECOND:
            provisos = _while_unchanged(principal, concern, held)
        else:
            provisos = self._anew(known, principal, standing, concern)
        return principal, Presumed(concern, provisos, learnt)

    def _anew(
        self, known: _Known, principal: Principal, standing: Standing, concern: Concern
    ) -> tuple[Proviso, ...]:
        """Everything presumed; that it held is remembered with the stamp, which is read first."""
        token, now = known.token, principal.at
        stamp: int | None = None

        def stamped(rows: Sequence[Row]) -> bool:
            nonlocal stamp
            stamp = rows[0][0] if rows else None
            return stamp is not None

        def concerned(rows: Sequence[Row]) -> bool:
            if not rows or concern_of(rows) != concern:
                return False
            if known.standing is standing and known.concern is concern and stamp is not None:
                known.held = _Held(now // SECOND, stamp)
            return True

        query = concern_query(
            principal.known_as, tenant=token.tenant, now=now, rated=principal.may_be_rated
        )
        return (
            Proviso(stamp_query(token.tenant), stamped),
            Proviso(
                standing_query(token.tenant, token.token_id, now=now),
                lambda rows: bool(rows) and Standing(*rows[0]) == standing,
            ),
            Proviso(query, concerned),
        )

    async def verify(self, text: str) -> VerifiedToken:
        """The claims of an access token of ours, or ``TokenRefused``."""
        return (await self._verified_token(text)).token

    async def principal(self, token: VerifiedToken, tokens: Tokens) -> Principal | None:
        """The caller as the rows stand now, or None where the token is void."""
        return await self._principal(_Known(token), tokens)

    async def _bearer(self, authorization: str | None) -> _Known:
        if authorization is None:
            raise missing()
        bearer = _BEARER.fullmatch(authorization)
        if bearer is None:
            raise rejected("header")
        try:
            return await self._verified_token(bearer[1])
        except jose.TokenRefused as refusal:
            raise rejected(refusal.reason) from None

    async def _verified_token(self, text: str) -> _Known:
        if len(text) > jose.MAX_TOKEN:
            raise jose.TokenRefused("malformed")
        digest = hashlib.sha256(text.encode()).digest()
        known = self._verified.get(digest)
        now = self._clock.now() // SECOND
        if known is not None:
            if known.token.expires + jose.SKEW <= now:
                raise jose.TokenRefused("expired")
            self._verified.move_to_end(digest)
            return known
        token = jose.read(text)
        key = await self._ring.verifier(token.kid)
        if key is None:
            raise jose.TokenRefused("kid")
        verified = self._checked(jose.verify(token, key), typ=token.typ, now=now)
        known = self._verified[digest] = _Known(verified)
        if len(self._verified) > _KEPT:
            self._verified.popitem(last=False)
        return known

    async def _principal(self, known: _Known, tokens: Tokens) -> Principal | None:
        now, token = self._clock.now(), known.token
        standing = await tokens.standing(token.tenant, token.token_id, now=now)
        if standing is None or standing.client_id != token.client_id:
            return None
        known.standing, known.held = standing, None
        return _principal(token, standing, issuer=self._issuer, at=now)

    def _checked(self, claims: Mapping[str, Any], *, typ: str | None, now: int) -> VerifiedToken:
        if typ != ACCESS_TOKEN:
            raise jose.TokenRefused("typ")
        if jose.text(claims, "iss") != self._issuer:
            raise jose.TokenRefused("claim iss")
        if jose.text(claims, "aud") != self._audience:
            raise jose.TokenRefused("claim aud")
        jose.check_times(claims, now=now)
        tenant = claims.get("tenant")
        if not isinstance(tenant, int) or isinstance(tenant, bool):
            raise jose.TokenRefused("claim tenant")
        try:
            granted = scopes.parse(jose.text(claims, "scope"), types=REGISTRY)
        except AppError:
            raise jose.TokenRefused("claim scope") from None
        return VerifiedToken(
            subject=jose.text(claims, "sub"),
            client_id=jose.text(claims, "client_id"),
            tenant=tenant,
            token_id=jose.text(claims, "jti"),
            issued=jose.seconds(claims, "iat"),
            expires=jose.seconds(claims, "exp"),
            scopes=granted,
        )


def missing() -> Unauthenticated:
    """The answer to whoever brings no token."""
    return Unauthenticated("a token is needed", challenge=_REALM, reason="no token")


def rejected(reason: str) -> Unauthenticated:
    """The one answer to every bad token; ``reason`` is for the audit."""
    return Unauthenticated(
        "the token is not valid", challenge=f'{_REALM}, error="invalid_token"', reason=reason
    )


async def hold_grant(principal: Principal, accounts: Accounts) -> None:
    """Keeps what a person was granted until the unit ends; refuses a token that is void by now.

    What goes on without the token is written so: whoever voids the grant meanwhile waits, and
    ends that too.
    """
    if not principal.is_person:
        return
    tenant, token_id = principal.tenant, principal.token_id
    if principal.client_id == PAGES:  # who is signed in at a page has a session in its place
        held = await accounts.sessions.hold(tenant, principal.subject, token_id)
    else:
        held = await accounts.grants.hold(tenant, token_id)
    if not held:
        raise rejected("void")


def require_recent(principal: Principal, *, now: int, second_factor: bool = False) -> None:
    """Demands a sign-in of the last five minutes for a dangerous act (RFC 9470).

    ``now`` is in seconds; ``second_factor`` tells that the person has one enrolled. A system that
    acts by itself has proved its key just now and passes.
    """
    if not principal.is_person:
        return
    recent = principal.auth_time is not None and now - principal.auth_time <= RECENT
    if recent and (not second_factor or "mfa" in principal.amr):
        return
    challenge = (
        f'{_REALM}, error="insufficient_user_authentication", '
        f'error_description="a more recent sign-in is needed", max_age="{RECENT}"'
    )
    raise Unauthenticated("a more recent sign-in is needed", challenge=challenge, reason="step-up")


def _while_unchanged(principal: Principal, concern: Concern, held: _Held) -> tuple[Proviso, ...]:
    """That the stamp is the same; who rated the caller comes with what is written all the time."""
    unchanged = Proviso(
        stamp_query(principal.tenant), lambda rows: bool(rows) and rows[0][0] == held.stamp
    )
    if not principal.may_be_rated:
        return (unchanged,)
    query = rating_query(principal.known_as, tenant=principal.tenant)
    return (unchanged, Proviso(query, lambda rows: rated_of(rows) == concern.rated))


def _principal(token: VerifiedToken, standing: Standing, *, issuer: str, at: int) -> Principal:
    person = standing.account_id is not None
    own = person and standing.account_role == "client"
    actor = standing.fhir_user if person else standing.client_actor
    return Principal(
        tenant=token.tenant,
        tenant_slug=standing.tenant_slug,
        client_id=token.client_id,
        subject=token.subject,
        actor=actor,
        role=(standing.account_role or "") if person else standing.client_role,
        scopes=token.scopes,
        patient=standing.patient,
        purpose=PATIENT_REQUEST if own else standing.purpose,
        token_id=token.token_id,
        issuer=issuer,
        name=(standing.account_name or "") if person else standing.client_name,
        clearance=standing.clearance,
        auth_time=None if standing.auth_time is None else standing.auth_time // SECOND,
        amr=tuple((standing.amr or "").split()),
        at=at,
    )
