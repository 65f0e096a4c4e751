"""Clients, and the identity providers that are trusted."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from app.core.errors import AppError, Category
from app.db.engine import UniqueViolation
from app.repositories.accounts_clients import Client
from app.routers.administration.access import Admin, Overseer, Strict, read, record, unknown
from app.routers.oauth import OAuthRoute, Server
from app.security import roles
from app.security.federation import NewProvider
from app.security.oauth.registration import NewClient, register_client
from app.security.ports import EventName

router = APIRouter(route_class=OAuthRoute, include_in_schema=False)


class ClientBody(Strict):
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


class ClientChange(Strict):
    """What may change of a client."""

    enabled: bool


class ProviderBody(Strict):
    """An identity provider to trust."""

    issuer: str
    name: str
    client_id: str
    client_secret: str | None = None
    role_claim: str
    role_map: dict[str, str]


@router.get("/roles")
async def role_table(_overseer: Overseer) -> Response:
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
    body = await read(request, ClientBody)
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
            await record(
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
    body = await read(request, ClientChange)
    async with server.units.write() as unit:
        client = await unit.accounts.clients.find(client_id, tenant=admin.tenant)
        if client is None:
            raise unknown()
        await unit.accounts.clients.set_enabled(client, enabled=body.enabled)
        await record(server, unit, request, admin, EventName.CLIENT_CHANGED, client_id=client_id)
        changed = await unit.accounts.clients.find(client_id, tenant=admin.tenant)
    return JSONResponse(_client(changed or client))


@router.post("/providers")
async def trust_provider(request: Request, server: Server, admin: Admin) -> Response:
    """Trusts the clinic's own identity provider; ``/login/callback`` is where it answers."""
    body = await read(request, ProviderBody)
    try:
        provider = await server.federation.trust(
            NewProvider(tenant=admin.tenant, **body.model_dump())
        )
    except UniqueViolation:
        raise AppError.of(Category.CONFLICT, "duplicate", "issuer is trusted") from None
    async with server.units.write() as unit:
        await record(server, unit, request, admin, EventName.PROVIDER_CHANGED)
    shown = {"issuer": provider.issuer, "name": provider.name, "enabled": provider.enabled}
    return JSONResponse(shown, status_code=201)


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
