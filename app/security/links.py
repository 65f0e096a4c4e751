"""Links that let somebody set a password: an invitation, a forgotten password.

A link is random, kept by its hash, good once and for a short time. Asking for one tells nothing
about whether an account exists. Using one ends every session and grant of the account, and what
was left behind with them; second factors stay.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from app.core.clock import SECOND, Clock
from app.core.errors import AppError, Category
from app.core.ids import IdSource
from app.repositories.accounts import Accounts
from app.repositories.accounts_people import Account
from app.repositories.accounts_sessions import Link
from app.security import backoff, jose, passwords
from app.security.notifier import Notifier, NotSent, link_message, notice_message
from app.security.oauth.token import Caller
from app.security.passwords import Passwords
from app.security.people import folded, give_back
from app.security.ports import AuditSink, EventName, SecurityEvent, Unit, Units
from app.security.sessions import hash_of

RESET: Final = "reset"
INVITATION: Final = "invitation"
_LIFE: Final = {RESET: 15 * 60 * SECOND, INVITATION: 7 * 86_400 * SECOND}


@dataclass(frozen=True, slots=True)
class Sent:
    """A link for somebody and the account it is for."""

    link: Link
    account: Account


class AccountLinks:
    """Makes, sends and takes links."""

    def __init__(
        self,
        units: Units,
        *,
        hasher: Passwords,
        notifier: Notifier,
        audit: AuditSink,
        clock: Clock,
        ids: IdSource,
        origin: str,
    ) -> None:
        self._units = units
        self._hasher = hasher
        self._notifier = notifier
        self._sending: set[asyncio.Task[None]] = set()
        self._audit = audit
        self._clock = clock
        self._ids = ids
        self._origin = origin

    async def request_reset(self, username: str, *, caller: Caller) -> None:
        """Sends a link where the account is known and has an address; says nothing either way."""
        name = folded(username)[:200]
        tried = backoff.attempt(account="reset:" + name, address=caller.address)
        async with self._units.write() as unit:
            await backoff.begin(unit.accounts.sessions, tried, now=self._clock.now())
        async with self._units.write() as unit:
            account = await unit.accounts.people.named(name)
            if account is None or not account.enabled or account.email is None:
                return
            address = await self.make(unit.accounts, account, purpose=RESET)
            await self._record(EventName.RESET_REQUESTED, account, caller, unit=unit)
        # Nobody waits for the mail server: how long that takes would tell who is known here.
        sending = asyncio.create_task(self._send(account, address))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def sent(self) -> None:
        """Waits until what was on its way has left."""
        await asyncio.gather(*self._sending)

    async def invite(self, account: Account, *, caller: Caller) -> str:
        """An invitation's address, sent too where the account has one of its own."""
        async with self._units.write() as unit:
            address = await self.make(unit.accounts, account, purpose=INVITATION)
            await self._record(EventName.INVITATION_CREATED, account, caller, unit=unit)
        await self._send(account, address)
        return address

    async def make(self, accounts: Accounts, account: Account, *, purpose: str) -> str:
        """The address of a new link, which puts an end to those before it."""
        secret, now = jose.encode(self._ids.random(24)), self._clock.now()
        await accounts.sessions.add_link(
            Link(
                link_hash=hash_of(secret),
                tenant=account.tenant,
                purpose=purpose,
                account_id=account.account_id,
                created=now,
                expires=now + _LIFE[purpose],
            )
        )
        return f"{self._origin}/account/link/{secret}"

    async def find(self, secret: str) -> Sent:
        """The link of an address, or ``gone``."""
        async with self._units.read() as unit:
            return await self._found(unit.accounts, secret)

    async def use(self, secret: str, password: str, *, caller: Caller) -> str:
        """Sets the password; a flaw of it as a key of the pages' texts, empty when it is set."""
        sent = await self.find(secret)
        flaw = passwords.flaw(password, about=(sent.account.username, sent.account.name))
        if flaw:
            return flaw
        encoded, now = await self._hasher.hash(password), self._clock.now()
        async with self._units.write() as unit:
            sent = await self._found(unit.accounts, secret)
            if not await unit.accounts.sessions.use_link(sent.link.link_hash, now=now):
                raise _gone()
            account = sent.account
            await unit.accounts.people.set_password(account, password_hash=encoded, at=now)
            await give_back(unit.accounts, account, now=now)
            invited = sent.link.purpose == INVITATION
            event = EventName.INVITATION_ACCEPTED if invited else EventName.PASSWORD_CHANGED
            await self._record(event, account, caller, unit=unit)
        if not invited:
            await self._notice(account)
        return ""

    async def _found(self, accounts: Accounts, secret: str) -> Sent:
        link = await accounts.sessions.link(hash_of(secret), now=self._clock.now())
        account = await accounts.people.find(link.tenant, link.account_id) if link else None
        if link is None or account is None or not account.enabled:
            raise _gone()
        return Sent(link, account)

    async def _send(self, account: Account, address: str) -> None:
        if account.email is None:
            return
        try:
            await self._notifier.send(
                link_message(account.email, locale=account.locale, link=address)
            )
        except NotSent:
            await self._record(EventName.RESET_REQUESTED, account, Caller(), reason="not sent")

    async def _notice(self, account: Account) -> None:
        if account.email is None:
            return
        try:
            await self._notifier.send(notice_message(account.email, locale=account.locale))
        except NotSent:
            await self._record(EventName.PASSWORD_CHANGED, account, Caller(), reason="not sent")

    async def _record(
        self,
        name: EventName,
        account: Account,
        caller: Caller,
        *,
        unit: Unit | None = None,
        reason: str = "",
    ) -> None:
        await self._audit.record(
            SecurityEvent(
                name,
                at=self._clock.now(),
                outcome="refused" if reason else "success",
                tenant=account.tenant,
                subject=account.account_id,
                address=caller.address,
                request_id=caller.request_id,
                reason=reason,
            ),
            unit=unit,
        )


def _gone() -> AppError:
    return AppError.of(Category.GONE, "deleted", "the link was used or is too old")
