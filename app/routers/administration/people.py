"""People: invited, changed, closed."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from app.core.errors import AppError, Category
from app.db.engine import UniqueViolation
from app.domain.consent.implicit import CLINICIANS
from app.interactions.handover import hand_over
from app.repositories.accounts_people import Account, People
from app.routers.administration.access import Admin, Strict, read, record, unknown
from app.routers.dependencies import services_of
from app.routers.oauth import OAuthRoute, Server, caller_of
from app.security.people import (
    NewUser,
    change_role,
    close_account,
    forget_factors,
    new_account,
)
from app.security.ports import EventName

router = APIRouter(route_class=OAuthRoute, include_in_schema=False)


class UserBody(Strict):
    """A person to add; they get in by the invitation that follows."""

    username: str
    name: str
    role: str
    fhir_user: str | None = None
    email: str | None = None
    locale: Literal["en", "ar"] = "en"


class UserChange(Strict):
    """What may change of a person; a leaver's patients pass to ``transfer_to``."""

    enabled: bool | None = None
    transfer_to: str | None = Field(default=None, pattern=r"^Practitioner/[A-Za-z0-9\-.]{1,64}$")
    role: str | None = None
    fhir_user: str | None = None
    reset_second_factor: bool = False


@router.get("/users")
async def users(server: Server, admin: Admin) -> Response:
    """The clinic's people."""
    async with server.units.read() as unit:
        found = await unit.accounts.people.of_tenant(admin.tenant)
    return JSONResponse({"users": [_user(account) for account in found]})


@router.post("/users")
async def invite_user(request: Request, server: Server, admin: Admin) -> Response:
    """Adds a person and invites them; the link is in the answer, and sent where it can be."""
    body = await read(request, UserBody)
    account = await new_account(
        NewUser(tenant=admin.tenant, **body.model_dump()),
        hasher=server.hasher,
        ids=server.ids,
        now=server.clock.now(),
    )
    try:
        async with server.units.write() as unit:
            await unit.accounts.people.add(account)
            await record(
                server, unit, request, admin, EventName.ACCOUNT_CREATED,
                subject=account.account_id,
            )  # fmt: skip
    except UniqueViolation:
        raise AppError.of(Category.CONFLICT, "duplicate", "username is taken") from None
    address = await server.links.invite(account, caller=caller_of(request))
    return JSONResponse(_user(account) | {"invitation": address}, status_code=201)


@router.post("/users/{account_id}/invitation")
async def invite_again(request: Request, server: Server, admin: Admin, account_id: str) -> Response:
    """A new invitation; the one before stops working."""
    async with server.units.read() as unit:
        account = await unit.accounts.people.find(admin.tenant, account_id)
    if account is None or not account.enabled:
        raise unknown()
    address = await server.links.invite(account, caller=caller_of(request))
    return JSONResponse(_user(account) | {"invitation": address}, status_code=201)


@router.patch("/users/{account_id}")
async def change_user(request: Request, server: Server, admin: Admin, account_id: str) -> Response:
    """Closes an account, changes its role, forgets its factors; sessions and tokens end at once."""
    body = await read(request, UserChange)
    now = server.clock.now()
    async with server.units.write() as unit:
        people = unit.accounts.people
        account = await people.find(admin.tenant, account_id)
        if account is None:
            raise unknown()
        if body.transfer_to is not None:
            await _successor(people, account, body.transfer_to)
        if body.role is not None:
            person = body.fhir_user or account.fhir_user
            await change_role(unit.accounts, account, role=body.role, fhir_user=person, now=now)
            await record(server, unit, request, admin, EventName.ROLE_CHANGED, subject=account_id)
        if body.enabled is False:
            await close_account(unit.accounts, account, now=now)
            await record(
                server, unit, request, admin, EventName.ACCOUNT_DISABLED, subject=account_id
            )
        elif body.enabled is True:
            await people.set_enabled(account, enabled=True)
            await record(
                server, unit, request, admin, EventName.ACCOUNT_CHANGED, subject=account_id
            )
        if body.reset_second_factor:
            await forget_factors(unit.accounts, account, now=now)
            await record(
                server, unit, request, admin, EventName.ACCOUNT_CHANGED, subject=account_id
            )
        changed = await people.find(admin.tenant, account_id)
    shown = _user(changed or account)
    if body.transfer_to is not None and account.fhir_user is not None:
        services = services_of(request)
        shown["transferred"] = await hand_over(
            services.engine,
            admin,
            services.facts(request),
            leaver=account.fhir_user,
            successor=body.transfer_to,
        )
    return JSONResponse(shown)


async def _successor(people: People, leaver: Account, successor: str) -> None:
    """Refuses a handover to nobody: it takes another clinician who can sign in."""
    found = await people.of_person(leaver.tenant, successor)
    if (
        found is None
        or not found.enabled
        or found.role not in CLINICIANS
        or successor == leaver.fhir_user
    ):
        raise AppError.of(
            Category.UNPROCESSABLE, "value", "transfer_to: not another clinician who can sign in"
        )


def _user(account: Account) -> dict[str, Any]:
    return {
        "id": account.account_id,
        "username": account.username,
        "name": account.name,
        "role": account.role,
        "fhir_user": account.fhir_user,
        "email": account.email,
        "locale": account.locale,
        "enabled": account.enabled,
    }
