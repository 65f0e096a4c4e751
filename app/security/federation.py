"""Trust in a clinic's own identity provider: OpenID Connect, code with PKCE.

The provider says who somebody is and what they do; the clinic's table says which role here
that is, and a person without one does not get in. The state is good once and only in the
browser that began; the id token must be for us, from them, fresh, and carry our nonce.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from app.core.clock import SECOND, Clock
from app.core.errors import AppError, Category
from app.core.ids import IdSource
from app.fhir import json
from app.repositories.accounts import Accounts
from app.repositories.accounts_people import Account
from app.repositories.accounts_providers import Provider
from app.repositories.accounts_sessions import SignInState
from app.security import egress, jose, roles
from app.security.authentication import RECENT
from app.security.keys import provider_keys
from app.security.oauth.token import Caller
from app.security.people import change_role, folded, misfits
from app.security.ports import AuditSink, EventName, Fetch, FetchRefused, SecurityEvent, Units
from app.security.root_key import RootKey, Sealed
from app.security.sessions import SIGNED_IN, SignedIn, hash_of
from app.security.sign_in import Opened, SignIn, WrongSecret

_LIFE: Final = 600 * SECOND
_FRESH: Final = 600
_PURPOSE: Final = "identity-provider"
_HARMLESS: Final = frozenset({"x5t", "x5t#S256"})
_PERSON = re.compile(r"(?:^|/)((?:Practitioner|Patient)/[A-Za-z0-9.-]{1,64})$")


@dataclass(frozen=True, slots=True)
class NewProvider:
    """What a clinic tells of its provider."""

    tenant: int
    issuer: str
    name: str
    client_id: str
    client_secret: str | None
    role_claim: str
    role_map: Mapping[str, str]


class Federation:
    """Sends people to their provider and takes them back."""

    def __init__(
        self,
        units: Units,
        *,
        sign_in: SignIn,
        fetch: Fetch,
        root: RootKey,
        audit: AuditSink,
        clock: Clock,
        ids: IdSource,
        origin: str,
        demo: bool,
    ) -> None:
        self._units = units
        self._sign_in = sign_in
        self._fetch = fetch
        self._root = root
        self._audit = audit
        self._clock = clock
        self._ids = ids
        self._callback = f"{origin}/login/callback"
        self._demo = demo

    async def trust(self, new: NewProvider) -> Provider:
        """Keeps a provider, or raises ``unprocessable``."""
        unknown = [role for role in new.role_map.values() if role not in roles.STAFF | {"client"}]
        try:
            egress.checked_url(new.issuer, demo=self._demo)
        except FetchRefused as refusal:
            raise AppError.of(Category.UNPROCESSABLE, "value", f"issuer: {refusal}") from None
        if unknown or not new.role_map:
            raise AppError.of(Category.UNPROCESSABLE, "value", "role_map: to roles of people")
        sealed = None
        if new.client_secret is not None:
            sealed = self._root.seal(new.client_secret.encode(), purpose=_PURPOSE, about=new.issuer)
        provider = Provider(
            tenant=new.tenant,
            issuer=new.issuer,
            name=new.name,
            client_id=new.client_id,
            sealed=sealed.octets if sealed else None,
            nonce=sealed.nonce if sealed else None,
            role_claim=new.role_claim,
            role_map=new.role_map,
            enabled=True,
            created=self._clock.now(),
        )
        async with self._units.write() as unit:
            await unit.accounts.providers.add(provider)
        return provider

    async def offered(self, tenant: int) -> Sequence[Provider]:
        """The providers that people of a clinic may choose."""
        async with self._units.read() as unit:
            found = await unit.accounts.providers.of_tenant(tenant)
        return [provider for provider in found if provider.enabled]

    async def begin(self, tenant: int, issuer: str, *, destination: str, browser: str) -> str:
        """The provider's address to go to; ``browser`` is what only this browser knows."""
        async with self._units.read() as unit:
            provider = await unit.accounts.providers.find(tenant, issuer)
        if provider is None or not provider.enabled:
            raise WrongSecret
        document = await self._document(provider)
        state, nonce, verifier = (jose.encode(self._ids.random(32)) for _ in range(3))
        secrets = {"nonce": nonce, "verifier": verifier, "browser": hash_of(browser).hex()}
        async with self._units.write() as unit:
            await unit.accounts.sessions.add_state(
                SignInState(
                    state_hash=hash_of(state),
                    tenant=tenant,
                    issuer=issuer,
                    secrets=json.dumps(secrets).decode(),
                    destination=destination,
                    expires=self._clock.now() + _LIFE,
                )
            )
        query = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": self._callback,
            "scope": "openid profile fhirUser",
            "state": state,
            "nonce": nonce,
            "code_challenge": jose.encode(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            # A session that the provider kept is no proof of who sits there now.
            "max_age": str(RECENT),
        }
        return f"{_address(document, 'authorization_endpoint')}?{urlencode(query)}"

    async def finish(
        self,
        answer: Mapping[str, str],
        *,
        browser: str,
        caller: Caller,
        before: SignedIn | None = None,
    ) -> tuple[Opened, str]:
        """The session of who comes back, in place of the one ``before``; where they were going."""
        async with self._units.write() as unit:
            state = await unit.accounts.sessions.use_state(
                hash_of(answer.get("state", "")), now=self._clock.now()
            )
        if state is None:
            raise WrongSecret
        secrets = json.parse_resource(state.secrets.encode())
        if not hmac.compare_digest(str(secrets.get("browser")), hash_of(browser).hex()):
            raise WrongSecret
        async with self._units.read() as unit:
            provider = await unit.accounts.providers.find(state.tenant, state.issuer)
        if provider is None or not provider.enabled or "code" not in answer:
            raise WrongSecret
        if answer.get("iss", provider.issuer) != provider.issuer:
            raise WrongSecret
        try:
            claims = await self._claims(provider, answer["code"], secrets)
            return await self._enter(provider, claims, caller, before), state.destination
        except (jose.TokenRefused, FetchRefused) as refusal:
            await self._refused(provider, caller, reason=str(refusal))
            raise WrongSecret from None

    async def _claims(
        self, provider: Provider, code: str, secrets: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The claims of the id token that a code gives, each of them checked."""
        document = await self._document(provider)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback,
            "client_id": provider.client_id,
            "code_verifier": str(secrets["verifier"]),
        }
        if provider.sealed is not None and provider.nonce is not None:
            sealed = Sealed(provider.sealed, provider.nonce)
            secret = self._root.open(sealed, purpose=_PURPOSE, about=provider.issuer)
            form["client_secret"] = secret.decode()
        answer = await self._json(_address(document, "token_endpoint"), form=form)
        token = jose.read(jose.text(answer, "id_token"), also=_HARMLESS)
        keys = provider_keys(await self._json(_address(document, "jwks_uri")))
        found = [k for k in keys if (k.kid, k.algorithm) == (token.kid, token.algorithm)]
        if len(found) != 1 or (token.typ or "JWT").upper() != "JWT":
            raise jose.TokenRefused("kid")
        claims = jose.verify(token, found[0])
        now = self._clock.now() // SECOND
        jose.check_times(claims, now=now)
        if jose.text(claims, "iss") != provider.issuer:
            raise jose.TokenRefused("claim iss")
        if jose.audiences(claims) != (provider.client_id,):
            raise jose.TokenRefused("claim aud")
        if not hmac.compare_digest(jose.text(claims, "nonce"), str(secrets["nonce"])):
            raise jose.TokenRefused("claim nonce")
        if jose.seconds(claims, "iat") + _FRESH < now:
            raise jose.TokenRefused("claim iat")
        if jose.seconds(claims, "auth_time") + RECENT + _FRESH < now:
            raise jose.TokenRefused("claim auth_time")
        return claims

    async def _enter(
        self,
        provider: Provider,
        claims: Mapping[str, Any],
        caller: Caller,
        before: SignedIn | None,
    ) -> Opened:
        role, subject = _role(provider, claims), jose.text(claims, "sub")
        person = _person(claims)
        if misfits(role, person):
            raise jose.TokenRefused("claim fhirUser")
        now = self._clock.now()
        since = min(now, jose.seconds(claims, "auth_time") * SECOND)
        async with self._units.write() as unit:
            accounts = unit.accounts
            account = await accounts.people.identified(provider.tenant, provider.issuer, subject)
            if account is None:
                account = self._new_account(provider, claims, role, person)
                await accounts.people.add(account)
                await accounts.people.link(account, issuer=provider.issuer, subject=subject, at=now)
            elif (account.role, account.fhir_user) != (role, person):
                await change_role(accounts, account, role=role, fhir_user=person, now=now)
                account = await _again(accounts, account)
            if not account.enabled:
                raise jose.TokenRefused("closed account")
            methods = claims.get("amr")
            strong = isinstance(methods, list) and "mfa" in methods
            return await self._sign_in.open(
                unit,
                account,
                amr="fed mfa" if strong else "fed",
                caller=caller,
                pending=SIGNED_IN if strong else None,
                since=since,
                before=before,
            )

    def _new_account(
        self, provider: Provider, claims: Mapping[str, Any], role: str, person: str | None
    ) -> Account:
        subject = jose.text(claims, "sub")
        host = urlsplit(provider.issuer).netloc
        username = f"{subject[:60]}@{host}#{provider.tenant}"
        name = claims.get("name")
        return Account(
            tenant=provider.tenant,
            account_id=self._ids.new_id(),
            username=username,
            folded=folded(username),
            name=name[:100] if isinstance(name, str) and name.isprintable() else username,
            role=role,
            created=self._clock.now(),
            fhir_user=person,
        )

    async def _document(self, provider: Provider) -> Mapping[str, Any]:
        base = provider.issuer.rstrip("/")
        document = await self._json(f"{base}/.well-known/openid-configuration")
        if document.get("issuer") != provider.issuer:
            raise FetchRefused("another issuer")
        return document

    async def _json(
        self, address: str, *, form: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        try:
            return json.parse_resource((await self._fetch(address, form=form)).body)
        except AppError:
            raise FetchRefused("not JSON") from None

    async def _refused(self, provider: Provider, caller: Caller, *, reason: str) -> None:
        await self._audit.record(
            SecurityEvent(
                EventName.LOGIN_FAILED,
                at=self._clock.now(),
                outcome="refused",
                tenant=provider.tenant,
                address=caller.address,
                request_id=caller.request_id,
                reason=reason,
            )
        )


def _role(provider: Provider, claims: Mapping[str, Any]) -> str:
    """The one role that the provider's claim comes to."""
    value = claims.get(provider.role_claim)
    values = value if isinstance(value, list) else [value]
    found = {
        provider.role_map[one]
        for one in values
        if isinstance(one, str) and one in provider.role_map
    }
    if len(found) != 1:
        raise jose.TokenRefused("claim role")
    return found.pop()


def _person(claims: Mapping[str, Any]) -> str | None:
    value = claims.get("fhirUser")
    match = _PERSON.search(value) if isinstance(value, str) else None
    return match[1] if match else None


def _address(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or "?" in value:
        raise FetchRefused(f"no {name}")
    return value


async def _again(accounts: Accounts, account: Account) -> Account:
    found = await accounts.people.find(account.tenant, account.account_id)
    return found if found is not None else account
