"""Whose a Subscription is, with the rights of now.

What a token allowed when the Subscription was written is only the most that it may ever see: the
client must still be registered and open, its person's account too, and both count as they are now
(CVE-2026-113875). A break-glass opens nothing here, since nobody stands there who declared it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from app.core.errors import AppError
from app.fhir.registry import REGISTRY
from app.repositories.accounts import Accounts
from app.repositories.consents import Consents
from app.search.asker import Concern
from app.search.visibility import Visible
from app.security import access, roles, scopes
from app.security.principal import PATIENT_REQUEST, Principal


class Owned(Protocol):
    """What is kept of the token that something was written with."""

    @property
    def tenant(self) -> int:
        """The clinic."""
        ...

    @property
    def client_id(self) -> str:
        """The program."""
        ...

    @property
    def account_id(self) -> str | None:
        """The person, where there was one."""
        ...

    @property
    def scope(self) -> str:
        """What was granted."""
        ...

    @property
    def patient(self) -> str | None:
        """The patient in context."""
        ...


async def owner_of(accounts: Accounts, owned: Owned, *, issuer: str, at: int) -> Principal | None:
    """The owner as of now; None where nothing may be told to them any more."""
    tenant = await accounts.clients.tenant(owned.tenant)
    client = await accounts.clients.find(owned.client_id, tenant=owned.tenant)
    if tenant is None or tenant.suspended or client is None or not client.enabled:
        return None
    account = None
    if owned.account_id is not None:
        account = await accounts.people.find(owned.tenant, owned.account_id)
        if account is None or not account.enabled:
            return None
    try:
        granted = scopes.parse(owned.scope, types=REGISTRY)
        registered = scopes.parse(client.scope, types=REGISTRY)
    except AppError:
        return None
    owner = Principal.of_client(
        client, granted.intersect(registered), slug=tenant.slug, issuer=issuer, at=at
    )
    if account is not None:
        owner = replace(
            owner,
            subject=account.account_id,
            actor=account.fhir_user,
            role=account.role,
            name=account.name,
            patient=owned.patient,
            purpose=PATIENT_REQUEST if account.role == "client" else owner.purpose,
        )
    may = any(
        owner.scopes.allows("Subscription", action)
        and action in roles.actions(owner.role, "Subscription")
        for action in "cu"
    )
    return owner if may else None


async def concern_of(owner: Principal, consents: Consents) -> Concern:
    """How Consents concern the owner now, by no emergency."""
    concern = await consents.concern(
        owner.known_as, tenant=owner.tenant, now=owner.at, rated=owner.may_be_rated
    )
    return replace(concern, glass=False)


def sight_of(owner: Principal, concern: Concern) -> tuple[Visible, Visible]:
    """What the owner finds now and what they may read, by the same rules as a request of theirs."""
    return access.visible(owner, "s", concern), access.visible(owner, "r", concern)
