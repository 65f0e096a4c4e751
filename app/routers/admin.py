"""The administrator's API: clients and people. JSON in and out, errors as on ``/oauth``.

It takes a token of a person whose role is admin, granted ``rapport/admin``, signed in within
the last five minutes (RFC 9470).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse, Response

from app.core.clock import SECOND
from app.core.errors import AppError, Category
from app.db.engine import UniqueViolation
from app.interactions.handover import hand_over
from app.repositories.accounts_clients import Client
from app.repositories.accounts_people import Account
from app.routers.dependencies import services_of
from app.routers.oauth import OAuthRoute, Server, caller_of
from app.security import access, roles
from app.security.authentication import require_recent
from app.security.federation import NewProvider
from app.security.oauth.registration import NewClient, register_client
from app.security.oauth.server import AuthorizationServer
from app.security.people import NewUser, change_role, close_account, new_account
from app.security.ports import EventName, SecurityEvent, Unit
from app.security.principal import Principal
from app.security.scopes import ADMIN

router = APIRouter(prefix="/admin", route_class=OAuthRoute, include_in_schema=False)
_Body = TypeVar("_Body", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClientBody(_Strict):
    """A client to register."""

    name: str
    kind: str
    scope: str = ""
    client_id: str | None = None
    role: str = "system"
    jwks: dict[str, Any] | None = None
    jwks_url: str | None = None
    with_secret: bool = False
    redirect_uris: list[str] = Field(default_factory=list)
    launch_uri: str | None = None
    actor: str | None = None
    purpose: str = "TREAT"
    clearance: str | None = None


class ClientChange(_Strict):
    """What may change of a client."""

    enabled: bool


class ProviderBody(_Strict):
    """An identity provider to trust."""

    issuer: str
    name: str
    client_id: str
    client_secret: str | None = None
    role_claim: str
    role_map: dict[str, str]


class UserBody(_Strict):
    """A person to add; they get in by the invitation that follows."""

    username: str
    name: str
    role: str
    fhir_user: str | None = None
    email: str | None = None
    locale: Literal["en", "ar"] = "en"


class UserChange(_Strict):
    """What may change of a person; a leaver's patients pass to ``transfer_to``."""

    enabled: bool | None = None
    transfer_to: str | None = Field(default=None, pattern=r"^Practitioner/[A-Za-z0-9\-.]{1,64}$")
    role: str | None = None
    fhir_user: str | None = None


async def _admin(request: Request, server: Server) -> Principal:
    async with server.units.read() as unit:
        caller = await server.authenticator.authenticate(
            request.headers.getlist("authorization"), unit.accounts.tokens
        )
        account = await unit.accounts.people.find(caller.tenant, caller.subject)
        if account is None or caller.role != "admin" or ADMIN not in caller.scopes:
            raise access.forbidden()
        enrolled = await server.sign_in.has_second_factor(unit.accounts, account)
    require_recent(caller, now=server.clock.now() // SECOND, second_factor=enrolled)
    return caller


Admin = Annotated[Principal, Depends(_admin)]


@router.get("/roles")
async def role_table(_admin: Admin) -> Response:
    """Who may do what, as it is decided."""
    return JSONResponse(
        {
            role: {
                name: [f"{rule.actions}@{rule.condition}" for rule in cell]
                for name, cell in row.items()
            }
            for role, row in roles.table().items()
        }
    )


@router.get("/clients")
async def clients(server: Server, admin: Admin) -> Response:
    """The clinic's clients."""
    async with server.units.read() as unit:
        found = await unit.accounts.clients.of_tenant(admin.tenant)
    return JSONResponse({"clients": [_client(client) for client in found]})


@router.post("/clients")
async def add_client(request: Request, server: Server, admin: Admin) -> Response:
    """Registers a client; its secret is shown this once."""
    body = await _read(request, ClientBody)
    values = body.model_dump() | {"redirect_uris": tuple(body.redirect_uris)}
    try:
        async with server.units.write() as unit:
            registered = await register_client(
                unit.accounts,
                NewClient(tenant=admin.tenant, **values),
                ids=server.ids,
                now=server.clock.now(),
                demo=server.is_demo,
            )
            await _record(
                server, unit, request, admin, EventName.CLIENT_REGISTERED,
                client_id=registered.client.client_id,
            )  # fmt: skip
    except UniqueViolation:
        raise AppError.of(Category.CONFLICT, "duplicate", "client_id is taken") from None
    shown = _client(registered.client)
    if registered.secret is not None:
        shown["client_secret"] = registered.secret
    return JSONResponse(shown, status_code=201)


@router.patch("/clients/{client_id}")
async def change_client(request: Request, server: Server, admin: Admin, client_id: str) -> Response:
    """Opens or closes a client; its tokens end at once."""
    body = await _read(request, ClientChange)
    async with server.units.write() as unit:
        client = await unit.accounts.clients.find(client_id)
        if client is None or client.tenant != admin.tenant:
            raise _unknown()
        await unit.accounts.clients.set_enabled(client, enabled=body.enabled)
        await _record(server, unit, request, admin, EventName.CLIENT_CHANGED, client_id=client_id)
        changed = await unit.accounts.clients.find(client_id)
    return JSONResponse(_client(changed or client))


@router.get("/users")
async def users(server: Server, admin: Admin) -> Response:
    """The clinic's people."""
    async with server.units.read() as unit:
        found = await unit.accounts.people.of_tenant(admin.tenant)
    return JSONResponse({"users": [_user(account) for account in found]})


@router.post("/users")
async def invite_user(request: Request, server: Server, admin: Admin) -> Response:
    """Adds a person and invites them; the link is in the answer, and sent where it can be."""
    body = await _read(request, UserBody)
    account = await new_account(
        NewUser(tenant=admin.tenant, **body.model_dump()),
        hasher=server.hasher,
        ids=server.ids,
        now=server.clock.now(),
    )
    try:
        async with server.units.write() as unit:
            await unit.accounts.people.add(account)
            await _record(
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
        raise _unknown()
    address = await server.links.invite(account, caller=caller_of(request))
    return JSONResponse(_user(account) | {"invitation": address}, status_code=201)


@router.patch("/users/{account_id}")
async def change_user(request: Request, server: Server, admin: Admin, account_id: str) -> Response:
    """Closes an account or changes its role; sessions and tokens end at once."""
    body = await _read(request, UserChange)
    now = server.clock.now()
    async with server.units.write() as unit:
        people = unit.accounts.people
        account = await people.find(admin.tenant, account_id)
        if account is None:
            raise _unknown()
        if body.role is not None:
            person = body.fhir_user or account.fhir_user
            await change_role(unit.accounts, account, role=body.role, fhir_user=person, now=now)
            await _record(
                server, unit, request, admin, EventName.ACCOUNT_CHANGED, subject=account_id
            )
        if body.enabled is False:
            await close_account(unit.accounts, account, now=now)
            await _record(
                server, unit, request, admin, EventName.ACCOUNT_DISABLED, subject=account_id
            )
        elif body.enabled is True:
            await people.set_enabled(account, enabled=True)
            await _record(
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


@router.post("/providers")
async def trust_provider(request: Request, server: Server, admin: Admin) -> Response:
    """Trusts the clinic's own identity provider; ``/login/callback`` is where it answers."""
    body = await _read(request, ProviderBody)
    try:
        provider = await server.federation.trust(
            NewProvider(tenant=admin.tenant, **body.model_dump())
        )
    except UniqueViolation:
        raise AppError.of(Category.CONFLICT, "duplicate", "issuer is trusted") from None
    async with server.units.write() as unit:
        await _record(server, unit, request, admin, EventName.PROVIDER_CHANGED)
    shown = {"issuer": provider.issuer, "name": provider.name, "enabled": provider.enabled}
    return JSONResponse(shown, status_code=201)


async def _read(request: Request, model: type[_Body]) -> _Body:
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        places = sorted({".".join(map(str, one["loc"])) for one in error.errors()})
        raise AppError.of(
            Category.INVALID, "value", f"not as it should be: {', '.join(places)}"[:300]
        ) from None


async def _record(
    server: AuthorizationServer,
    unit: Unit,
    request: Request,
    admin: Principal,
    name: EventName,
    *,
    client_id: str | None = None,
    subject: str | None = None,
) -> None:
    caller = caller_of(request)
    await server.audit.record(
        SecurityEvent(
            name,
            at=server.clock.now(),
            outcome="success",
            tenant=admin.tenant,
            client_id=client_id or admin.client_id,
            subject=subject or admin.subject,
            address=caller.address,
            request_id=caller.request_id,
            reason=f"by {admin.subject}",
        ),
        unit=unit,
    )


def _unknown() -> AppError:
    return AppError.of(Category.NOT_FOUND, "not-found", "no such account or client")


def _client(client: Client) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "name": client.name,
        "kind": client.kind,
        "grant_types": list(client.grants),
        "scope": client.scope,
        "role": client.role,
        "actor": client.actor,
        "redirect_uris": list(client.redirect_uris),
        "jwks_url": client.jwks_url,
        "enabled": client.enabled,
    }


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
