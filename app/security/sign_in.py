"""Signing in: the password, then what else is owed.

Unknown name, wrong password and closed account get the same answer after the same work. Every
factor is counted by the same limits (``backoff``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.core.clock import Clock
from app.core.errors import AppError, Category
from app.core.ids import IdSource
from app.repositories.accounts import Accounts
from app.repositories.accounts_factors import Totp
from app.repositories.accounts_people import Account
from app.security import backoff, jose, roles, totp
from app.security.oauth.token import Caller
from app.security.passwords import Passwords
from app.security.people import folded
from app.security.ports import AuditSink, EventName, SecurityEvent, Unit, Units
from app.security.root_key import NONCE_SIZE, KeyUnavailable, RootKey, Sealed
from app.security.sessions import (
    ENROLMENT_OWED,
    SECOND_FACTOR_OWED,
    SIGNED_IN,
    SessionKeeper,
    SignedIn,
    hash_of,
)

RECOVERY_CODES: Final = 10
_TOTP: Final = "totp"
_OFFER: Final = "totp-offer"


class WrongSecret(AppError):
    """The one answer to every failed sign-in."""

    def __init__(self) -> None:
        AppError.__init__(self, Category.FORBIDDEN, ())


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session's cookie value and what it still owes."""

    cookie: str
    pending: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A TOTP secret that is not kept yet, and its sealed form for the page that shows it."""

    secret: bytes
    sealed: str


class SignIn:
    """Lets people in."""

    def __init__(
        self,
        units: Units,
        *,
        hasher: Passwords,
        keeper: SessionKeeper,
        root: RootKey,
        audit: AuditSink,
        clock: Clock,
        ids: IdSource,
        staff_needs_second_factor: bool,
    ) -> None:
        self._units = units
        self._hasher = hasher
        self._keeper = keeper
        self._root = root
        self._audit = audit
        self._clock = clock
        self._ids = ids
        self._staff_needs_second_factor = staff_needs_second_factor

    async def with_password(
        self, username: str, password: str, *, caller: Caller, before: SignedIn | None = None
    ) -> Opened:
        """A session for a right password; ``WrongSecret`` or ``throttled`` otherwise.

        ``before`` is the session that it comes in place of.
        """
        name = folded(username)[:200]
        async with self._units.read() as unit:
            account = await unit.accounts.people.named(name)
            spared = await _is_last_admin(unit.accounts, account, now=self._clock.now())
        tried = backoff.attempt(account=name, address=caller.address, spare_account=spared)
        await self._count(tried, account, caller)
        good = await self._hasher.verify(password, account.password_hash if account else None)
        if not good or account is None or not account.enabled:
            await self._record(EventName.LOGIN_FAILED, account, caller, reason="password")
            raise WrongSecret
        rehashed = None
        if self._hasher.is_outdated(account.password_hash or ""):
            rehashed = await self._hasher.hash(password)
        async with self._units.write() as unit:
            await backoff.succeed(unit.accounts.sessions, tried)
            if rehashed is not None:
                await unit.accounts.people.rehash(account, password_hash=rehashed)
            return await self.open(unit, account, amr="pwd", caller=caller, before=before)

    async def open(
        self,
        unit: Unit,
        account: Account,
        *,
        amr: str,
        caller: Caller,
        pending: int | None = None,
        since: int | None = None,
        before: SignedIn | None = None,
    ) -> Opened:
        """A session for somebody whose first factor was right; what it owes unless said.

        ``since`` is when they proved it, if that was not just now; ``before`` the session that it
        comes in place of.
        """
        if pending is None:
            pending = await self._owed(unit.accounts, account)
        cookie = await self._keeper.open(
            unit.accounts, account, amr=amr, pending=pending, since=since, instead_of=before
        )
        await self._record(EventName.LOGIN, account, caller, unit=unit, reason=amr)
        return Opened(cookie, pending)

    async def with_code(self, signed_in: SignedIn, code: str, *, caller: Caller) -> Opened:
        """A complete session for a right second factor: a TOTP or a recovery code."""
        account = signed_in.account
        tried = backoff.attempt(account="factor:" + account.account_id, address=caller.address)
        await self._count(tried, account, caller)
        async with self._units.write() as unit:
            how = await self._use_code(unit.accounts, account, code)
            if how is not None:
                await backoff.succeed(unit.accounts.sessions, tried)
                return await self.complete(unit, signed_in, how=how, caller=caller)
        await self._record(EventName.LOGIN_FAILED, account, caller, reason="second factor")
        raise WrongSecret

    async def complete(
        self, unit: Unit, signed_in: SignedIn, *, how: str, caller: Caller
    ) -> Opened:
        """Ends the unfinished session and opens the one that counts."""
        first = signed_in.session.amr.split()[0]
        cookie = await self._keeper.open(
            unit.accounts,
            signed_in.account,
            amr=f"{first} {how} mfa",
            pending=SIGNED_IN,
            instead_of=signed_in,
        )
        event = EventName.RECOVERY_CODE_USED if how == "kba" else EventName.LOGIN
        await self._record(event, signed_in.account, caller, unit=unit, reason=how)
        return Opened(cookie, SIGNED_IN)

    def offer_totp(self, signed_in: SignedIn) -> Offer:
        """A new TOTP secret for a person; nothing is kept before a code of it was given."""
        secret = self._ids.random(totp.SECRET_SIZE)
        sealed = self._root.seal(secret, purpose=_OFFER, about=_session(signed_in))
        return Offer(secret, jose.encode(sealed.nonce + sealed.octets))

    def offered_totp(self, signed_in: SignedIn, text: str) -> Offer | None:
        """The secret whose sealed form this very session was given."""
        try:
            octets = jose.decode(text)
            sealed = Sealed(octets[NONCE_SIZE:], octets[:NONCE_SIZE])
            secret = self._root.open(sealed, purpose=_OFFER, about=_session(signed_in))
        except (jose.TokenRefused, KeyUnavailable, ValueError):
            return None
        return Offer(secret, text)

    def sealed_totp(
        self, account: Account, secret: bytes, *, confirmed: int, step: int = 0
    ) -> Totp:
        """A secret as it is kept; ``step`` is the last one whose code was used."""
        sealed = self._root.seal(secret, purpose=_TOTP, about=account.account_id)
        return Totp(
            account.tenant, account.account_id, sealed.octets, sealed.nonce, confirmed, step
        )

    async def confirm_totp(
        self, signed_in: SignedIn, offer: Offer, code: str, *, caller: Caller
    ) -> tuple[Opened, Sequence[str]]:
        """Keeps a secret that was offered by its first code; the session and recovery codes."""
        account = signed_in.account
        tried = backoff.attempt(account="factor:" + account.account_id, address=caller.address)
        await self._count(tried, account, caller)
        codes = [self._recovery_code() for _ in range(RECOVERY_CODES)]
        now = self._clock.now()
        step = totp.matching_step(offer.secret, code, now=now)
        async with self._units.write() as unit:
            if step is not None:
                await backoff.succeed(unit.accounts.sessions, tried)
                await unit.accounts.factors.replace_totp(
                    self.sealed_totp(account, offer.secret, confirmed=now, step=step)
                )
                await unit.accounts.factors.replace_recovery_codes(
                    account.tenant, account.account_id, [_code_hash(c) for c in codes]
                )
                await self._record(EventName.SECOND_FACTOR_ADDED, account, caller, unit=unit)
                opened = await self.complete(unit, signed_in, how="otp", caller=caller)
                return opened, codes
        await self._record(EventName.LOGIN_FAILED, account, caller, reason="enrolment")
        raise WrongSecret

    async def _owed(self, accounts: Accounts, account: Account) -> int:
        if await accounts.factors.enrolled(account.tenant, account.account_id):
            return SECOND_FACTOR_OWED
        if self._staff_needs_second_factor and account.role in roles.STAFF:
            return ENROLMENT_OWED
        return SIGNED_IN

    async def _use_code(self, accounts: Accounts, account: Account, code: str) -> str | None:
        if await self._use_totp(accounts, account, code):
            return "otp"
        used = await accounts.factors.use_recovery_code(
            account.tenant,
            account.account_id,
            code_hash=_code_hash(code),
            at=self._clock.now(),
        )
        return "kba" if used else None

    async def _use_totp(self, accounts: Accounts, account: Account, code: str) -> bool:
        kept = await accounts.factors.totp(account.tenant, account.account_id)
        if kept is None:
            return False
        now = self._clock.now()
        step = totp.matching_step(self._opened(kept), code, now=now)
        if step is None:
            return False
        return await accounts.factors.use_step(account.tenant, account.account_id, step=step)

    def _opened(self, kept: Totp) -> bytes:
        sealed = Sealed(kept.sealed, kept.nonce)
        return self._root.open(sealed, purpose=_TOTP, about=kept.account_id)

    def _recovery_code(self) -> str:
        text = totp.secret_text(self._ids.random(10)).lower()
        return "-".join(text[start : start + 4] for start in range(0, 16, 4))

    async def _count(self, tried: backoff.Attempt, account: Account | None, caller: Caller) -> None:
        try:
            async with self._units.write() as unit:
                await backoff.begin(unit.accounts.sessions, tried, now=self._clock.now())
        except AppError:
            await self._record(EventName.LOGIN_THROTTLED, account, caller, reason="throttled")
            raise

    async def _record(
        self,
        name: EventName,
        account: Account | None,
        caller: Caller,
        *,
        unit: Unit | None = None,
        reason: str = "",
    ) -> None:
        refused = name in (EventName.LOGIN_FAILED, EventName.LOGIN_THROTTLED)
        await self._audit.record(
            SecurityEvent(
                name,
                at=self._clock.now(),
                outcome="refused" if refused else "success",
                tenant=account.tenant if account else None,
                subject=account.account_id if account else None,
                address=caller.address,
                request_id=caller.request_id,
                reason=reason,
            ),
            unit=unit,
        )


def _code_hash(code: str) -> bytes:
    return hash_of("".join(letter for letter in code.lower() if letter.isalnum()))


def _session(signed_in: SignedIn) -> str:
    return signed_in.session.session_hash.hex()


async def _is_last_admin(accounts: Accounts, account: Account | None, *, now: int) -> bool:
    """Whether no other administrator of the clinic can sign in now."""
    if account is None or account.role != "admin" or not account.enabled:
        return False
    for other in await accounts.people.of_tenant(account.tenant):
        if (
            (other.role, other.enabled) == ("admin", True)
            and other.account_id != account.account_id
            and not await backoff.is_blocked(accounts.sessions, other.folded, now=now)
        ):
            return False
    return True
