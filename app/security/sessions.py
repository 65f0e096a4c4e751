"""Browser sessions: a random cookie, its hash in the database, an end for the idle and for all."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from app.core.clock import SECOND, Clock
from app.core.ids import IdSource
from app.fhir.registry import REGISTRY
from app.repositories.accounts import Accounts
from app.repositories.accounts_people import Account
from app.repositories.accounts_sessions import Session
from app.security import jose, scopes
from app.security.principal import PATIENT_REQUEST, TREATMENT, Principal

IDLE: Final = 30 * 60 * SECOND
ABSOLUTE: Final = 12 * 3600 * SECOND
UNFINISHED: Final = 10 * 60 * SECOND
SIGNED_IN, SECOND_FACTOR_OWED, ENROLMENT_OWED = 0, 1, 2
PAGES: Final = "rapport-pages"  # the client id of the server's own pages, in the audit log
_SEEN_EVERY: Final = 60 * SECOND


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A browser's session and its person."""

    session: Session
    account: Account
    tenant_slug: str

    @property
    def is_complete(self) -> bool:
        """Whether nothing is owed before the session opens anything."""
        return self.session.pending == SIGNED_IN


class SessionKeeper:
    """Opens, finds and ends sessions."""

    def __init__(self, *, clock: Clock, ids: IdSource) -> None:
        self._clock = clock
        self._ids = ids

    async def open(
        self,
        accounts: Accounts,
        account: Account,
        *,
        amr: str,
        pending: int,
        since: int | None = None,
        instead_of: SignedIn | None = None,
    ) -> str:
        """A new session; the cookie's value.

        ``instead_of`` is the one that the browser had before: it ends, and what lasts as long as
        the same person is signed in lasts with the new one.
        """
        secret = jose.encode(self._ids.random(32))
        now = self._clock.now()
        await accounts.sessions.add(
            Session(
                session_hash=hash_of(secret),
                tenant=account.tenant,
                account_id=account.account_id,
                generation=account.generation,
                created=now,
                last_seen=now,
                expires=now + (ABSOLUTE if pending == SIGNED_IN else UNFINISHED),
                auth_time=now if since is None else since,
                amr=amr,
                pending=pending,
            )
        )
        if instead_of is not None:
            before = instead_of.session
            if (before.tenant, before.account_id) == (account.tenant, account.account_id):
                await accounts.grants.pass_on(
                    account.tenant, account.account_id, before.session_hash, to=hash_of(secret)
                )
            await self.end(accounts, instead_of)
        return secret

    async def find(self, accounts: Accounts, secret: str) -> SignedIn | None:
        """The session of a cookie, where it still stands."""
        now = self._clock.now()
        session = await accounts.sessions.find(hash_of(secret), now=now, idle_since=now - IDLE)
        if session is None:
            return None
        account = await accounts.people.find(session.tenant, session.account_id)
        tenant = await accounts.clients.tenant(session.tenant)
        if account is None or tenant is None:
            return None
        return SignedIn(session, account, tenant.slug)

    def is_stale(self, signed_in: SignedIn) -> bool:
        """Whether the use of a session should be noted."""
        return self._clock.now() - signed_in.session.last_seen >= _SEEN_EVERY

    async def touch(self, accounts: Accounts, signed_in: SignedIn) -> None:
        """Notes that a session is in use."""
        await accounts.sessions.seen(signed_in.session.session_hash, at=self._clock.now())

    async def end(self, accounts: Accounts, signed_in: SignedIn) -> None:
        """Ends a session."""
        await accounts.sessions.end(signed_in.session.session_hash, at=self._clock.now())


def hash_of(secret: str) -> bytes:
    """What the database knows of a random secret."""
    return hashlib.sha256(secret.encode()).digest()


def principal_of(
    signed_in: SignedIn, *, issuer: str, now: int, scope: str = "user/*.cruds"
) -> Principal:
    """The caller that a signed-in browser is to the rooms below: the person, with their role."""
    account, session = signed_in.account, signed_in.session
    kind, _, id = (account.fhir_user or "").partition("/")
    return Principal(
        tenant=account.tenant,
        tenant_slug=signed_in.tenant_slug,
        client_id=PAGES,
        subject=account.account_id,
        actor=account.fhir_user,
        role=account.role,
        scopes=scopes.parse(scope, types=REGISTRY),
        patient=id if kind == "Patient" else None,
        purpose=PATIENT_REQUEST if kind == "Patient" else TREATMENT,
        token_id=session.session_hash.hex()[:16],
        issuer=issuer,
        name=account.name,
        clearance="V",
        auth_time=session.auth_time // SECOND,
        amr=tuple(session.amr.split()),
        at=now,
    )
