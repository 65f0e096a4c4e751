"""What security needs of the outside, to be given to it: storage, the audit log, the network."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from app.core.errors import AppError, Category, Issue
from app.repositories.accounts import Accounts
from app.repositories.consents import Consents
from app.repositories.resources import Resources


class EventName(StrEnum):
    """Security events that the audit log keeps."""

    TOKEN_ISSUED = "token-issued"
    TOKEN_REFUSED = "token-refused"
    TOKEN_REFRESHED = "token-refreshed"
    TOKEN_REVOKED = "token-revoked"
    TOKEN_INTROSPECTED = "token-introspected"
    TOKEN_REJECTED = "token-rejected"  # a bearer token that opened nothing
    CODE_REUSED = "code-reused"
    REFRESH_REUSED = "refresh-reused"
    AUTHORIZATION_GRANTED = "authorization-granted"
    AUTHORIZATION_DENIED = "authorization-denied"
    LAUNCH_CREATED = "launch-created"
    LOGIN = "login"
    LOGIN_FAILED = "login-failed"
    LOGIN_THROTTLED = "login-throttled"
    LOGOUT = "logout"
    SECOND_FACTOR_ADDED = "second-factor-added"
    SECOND_FACTOR_REMOVED = "second-factor-removed"
    RECOVERY_CODE_USED = "recovery-code-used"
    PASSWORD_CHANGED = "password-changed"
    RESET_REQUESTED = "reset-requested"
    INVITATION_CREATED = "invitation-created"
    INVITATION_ACCEPTED = "invitation-accepted"
    ACCOUNT_CREATED = "account-created"
    ACCOUNT_CHANGED = "account-changed"
    ROLE_CHANGED = "role-changed"
    ACCOUNT_DISABLED = "account-disabled"
    CLIENT_REGISTERED = "client-registered"
    CLIENT_CHANGED = "client-changed"
    KEY_ROTATED = "key-rotated"
    PROVIDER_CHANGED = "provider-changed"
    SETTINGS_CHANGED = "settings-changed"
    POLICY_CHANGED = "policy-changed"


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """One thing that happened at the door.

    ``at`` is in microseconds. ``tenant`` is None where nobody knows whose it is. ``subject`` is an
    account id, ``address`` the caller's network address, ``reason`` a short code, never a
    secret and nothing that the caller typed.
    """

    name: EventName
    at: int
    outcome: Literal["success", "refused"]
    tenant: int | None = None
    client_id: str | None = None
    subject: str | None = None
    address: str | None = None
    request_id: str | None = None
    reason: str = ""


class Unit(Protocol):
    """A unit of work, as far as security uses it."""

    @property
    def accounts(self) -> Accounts:
        """The account repositories."""
        ...

    @property
    def consents(self) -> Consents:
        """What Consents come to."""
        ...

    @property
    def resources(self) -> Resources:
        """What is stored."""
        ...

    async def turn_to(self, tenant: int) -> None:
        """Sees a tenant's records too, from here on."""
        ...


class Units(Protocol):
    """Opens units of work."""

    def read(self) -> AbstractAsyncContextManager[Unit]:
        """A unit that reads."""
        ...

    def write(self) -> AbstractAsyncContextManager[Unit]:
        """A unit that writes; it commits on leaving without an error."""
        ...


class AuditSink(Protocol):
    """Keeps security events. One that cannot be kept raises, and its cause is then refused."""

    async def record(self, event: SecurityEvent, *, unit: Unit | None = None) -> None:
        """Keeps an event: in the unit's transaction, or at once where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer from the network: its body and for how many seconds it may be kept."""

    body: bytes
    max_age: int


class Fetch(Protocol):
    """Gets a public https document; raises ``FetchRefused`` for anything else."""

    async def __call__(self, url: str, *, form: Mapping[str, str] | None = None) -> Fetched:
        """The document at ``url``, or the answer to a form that is sent there."""
        ...


class FetchRefused(Exception):
    """An address that may not be fetched, or an answer that may not be used."""


class Unauthenticated(AppError):
    """A missing, bad or insufficient token; ``challenge`` is the WWW-Authenticate value."""

    def __init__(self, diagnostics: str, *, challenge: str, reason: str) -> None:
        self.challenge = challenge
        self.reason = reason
        super().__init__(Category.UNAUTHENTICATED, [Issue("login", diagnostics)])
