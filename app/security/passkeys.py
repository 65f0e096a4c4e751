"""Passkeys as the second factor (WebAuthn level 2), by the py_webauthn library.

A challenge is random, kept by its hash, bound to its person, good once and for five minutes. A
counter that does not move forward means a cloned key, which the library refuses.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import options_to_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from app.core.clock import SECOND, Clock
from app.core.errors import AppError
from app.core.ids import IdSource
from app.db.engine import UniqueViolation
from app.fhir import json
from app.repositories.accounts import Accounts
from app.repositories.accounts_factors import Passkey
from app.repositories.accounts_people import Account
from app.repositories.accounts_sessions import SignInState
from app.security import backoff, jose
from app.security.oauth.token import Caller
from app.security.ports import AuditSink, EventName, SecurityEvent, Unit, Units
from app.security.sessions import SignedIn, hash_of
from app.security.sign_in import Opened, SignIn, WrongSecret

MOST: Final = 10
_LIFE: Final = 300 * SECOND
_NAME: Final = "Rapport"
Purpose = Literal["passkey-create", "passkey-get"]


class Passkeys:
    """Registers passkeys and takes them as a second factor."""

    def __init__(
        self,
        units: Units,
        *,
        sign_in: SignIn,
        audit: AuditSink,
        clock: Clock,
        ids: IdSource,
        origin: str,
    ) -> None:
        self._units = units
        self._sign_in = sign_in
        self._audit = audit
        self._clock = clock
        self._ids = ids
        self._origin = origin
        self._host = urlsplit(origin).hostname or ""

    @property
    def is_offered(self) -> bool:
        """Whether browsers make passkeys for this origin: a name, not an address."""
        try:
            ipaddress.ip_address(self._host)
        except ValueError:
            return True
        return False

    async def creation_options(self, account: Account) -> bytes:
        """What the browser needs to make a passkey, as JSON."""
        challenge = self._ids.random(32)
        async with self._units.write() as unit:
            known = await unit.accounts.factors.passkeys(account.tenant, account.account_id)
            await self._keep(unit, account, challenge, "passkey-create")
        options = webauthn.generate_registration_options(
            rp_id=self._host,
            rp_name=_NAME,
            user_name=account.username,
            user_display_name=account.name,
            user_id=account.account_id.encode(),
            challenge=challenge,
            exclude_credentials=[PublicKeyCredentialDescriptor(id=k.credential_id) for k in known],
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.PREFERRED,
            ),
        )
        return options_to_json(options).encode()

    async def create(
        self, signed_in: SignedIn, credential: bytes, *, name: str, caller: Caller
    ) -> Opened:
        """Keeps a new passkey; the session that it completes. ``WrongSecret`` for a bad one."""
        account = signed_in.account
        answer = _parsed(credential)
        try:
            async with self._units.write() as unit:
                challenge = await self._spent(unit, account, answer, "passkey-create")
                verified = webauthn.verify_registration_response(
                    credential=dict(answer),
                    expected_challenge=challenge,
                    expected_rp_id=self._host,
                    expected_origin=self._origin,
                )
                known = await unit.accounts.factors.passkeys(account.tenant, account.account_id)
                if len(known) >= MOST:
                    raise WrongSecret
                await unit.accounts.factors.add_passkey(
                    Passkey(
                        tenant=account.tenant,
                        account_id=account.account_id,
                        credential_id=verified.credential_id,
                        public_key=verified.credential_public_key,
                        sign_count=verified.sign_count,
                        name=name.strip()[:60] or _NAME,
                        created=self._clock.now(),
                        last_used=None,
                    )
                )
                await self._audit.record(
                    SecurityEvent(
                        EventName.SECOND_FACTOR_ADDED,
                        at=self._clock.now(),
                        outcome="success",
                        tenant=account.tenant,
                        subject=account.account_id,
                        address=caller.address,
                        request_id=caller.request_id,
                        reason="passkey",
                    ),
                    unit=unit,
                )
                return await self._sign_in.complete(unit, signed_in, how="hwk", caller=caller)
        except (WebAuthnException, UniqueViolation):
            raise WrongSecret from None

    async def request_options(self, account: Account) -> bytes:
        """What the browser needs to use a passkey, as JSON."""
        challenge = self._ids.random(32)
        async with self._units.write() as unit:
            known = await unit.accounts.factors.passkeys(account.tenant, account.account_id)
            await self._keep(unit, account, challenge, "passkey-get")
        options = webauthn.generate_authentication_options(
            rp_id=self._host,
            challenge=challenge,
            allow_credentials=[PublicKeyCredentialDescriptor(id=k.credential_id) for k in known],
        )
        return options_to_json(options).encode()

    async def use(self, signed_in: SignedIn, credential: bytes, *, caller: Caller) -> Opened:
        """The session that a passkey completes; ``WrongSecret`` for a bad answer."""
        account = signed_in.account
        answer = _parsed(credential)
        tried = backoff.attempt(account="factor:" + account.account_id, address=caller.address)
        async with self._units.write() as unit:
            await backoff.begin(unit.accounts.sessions, tried, now=self._clock.now())
        try:
            async with self._units.write() as unit:
                challenge = await self._spent(unit, account, answer, "passkey-get")
                key = await _known(unit.accounts, account, answer)
                verified = webauthn.verify_authentication_response(
                    credential=dict(answer),
                    expected_challenge=challenge,
                    expected_rp_id=self._host,
                    expected_origin=self._origin,
                    credential_public_key=key.public_key,
                    credential_current_sign_count=key.sign_count,
                )
                await unit.accounts.factors.use_passkey(
                    key, sign_count=verified.new_sign_count, at=self._clock.now()
                )
                await backoff.succeed(unit.accounts.sessions, tried)
                return await self._sign_in.complete(unit, signed_in, how="hwk", caller=caller)
        except WebAuthnException:
            raise WrongSecret from None

    async def _keep(self, unit: Unit, account: Account, challenge: bytes, purpose: Purpose) -> None:
        await unit.accounts.sessions.add_state(
            SignInState(
                state_hash=hash_of(jose.encode(challenge)),
                tenant=account.tenant,
                issuer=purpose,
                secrets=account.account_id,
                destination="",
                expires=self._clock.now() + _LIFE,
            )
        )

    async def _spent(
        self, unit: Unit, account: Account, answer: Mapping[str, Any], purpose: Purpose
    ) -> bytes:
        """The challenge that an answer is to, used up with it."""
        try:
            client_data = json.parse_resource(_octets(answer["response"]["clientDataJSON"]))
            text = str(client_data["challenge"])
            challenge = _octets(text)
        except (AppError, KeyError, TypeError, ValueError):
            raise WrongSecret from None
        state = await unit.accounts.sessions.use_state(
            hash_of(jose.encode(challenge)), now=self._clock.now()
        )
        if state is None or (state.issuer, state.secrets) != (purpose, account.account_id):
            raise WrongSecret
        return challenge


async def _known(accounts: Accounts, account: Account, answer: Mapping[str, Any]) -> Passkey:
    try:
        credential_id = _octets(str(answer["rawId"]))
    except (KeyError, ValueError):
        raise WrongSecret from None
    for key in await accounts.factors.passkeys(account.tenant, account.account_id):
        if key.credential_id == credential_id:
            return key
    raise WrongSecret


def _parsed(credential: bytes) -> Mapping[str, Any]:
    if len(credential) > 32 * 1024:
        raise WrongSecret
    try:
        return json.parse_resource(credential)
    except AppError:
        raise WrongSecret from None


def _octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
