"""``rapport client``: the programs that may connect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.accounts import do, record, tenant_named
from app.core.errors import AppError, Category

if TYPE_CHECKING:  # a command that is not run costs no start-up time
    from app.main import Core

clients = typer.Typer(no_args_is_help=True, help="Client programs.")


@clients.command("register")
def client_register(
    tenant: Annotated[str, typer.Option(help="The clinic's slug.")],
    name: Annotated[str, typer.Option(help="What people call the program.")],
    scope: Annotated[str, typer.Option(help="The most it may ever be granted.")],
    kind: Annotated[str, typer.Option(help="backend, public, confidential.")] = "backend",
    role: str = "system",
    client_id: str | None = None,
    jwks: Annotated[Path | None, typer.Option(exists=True, dir_okay=False)] = None,
    jwks_url: str | None = None,
    redirect_uri: Annotated[list[str] | None, typer.Option()] = None,
    actor: str | None = None,
    with_secret: bool = False,
) -> None:
    """Registers a client program."""
    from app.fhir import json
    from app.security.oauth.registration import NewClient, register_client
    from app.security.ports import EventName

    async def run(core: Core) -> str:
        clinic = await tenant_named(core, tenant)
        new = NewClient(
            tenant=clinic,
            name=name,
            kind=kind,
            scope=scope,
            client_id=client_id,
            role=role,
            jwks=json.parse_resource(jwks.read_bytes()) if jwks else None,
            jwks_url=jwks_url,
            with_secret=with_secret,
            redirect_uris=tuple(redirect_uri or ()),
            actor=actor,
        )
        async with core.units.accounts.write() as uow:
            registered = await register_client(
                uow.accounts,
                new,
                ids=core.ids,
                now=core.clock.now(),
                demo=core.settings.env == "demo",
            )
        await record(core, EventName.CLIENT_REGISTERED, tenant=clinic)
        told = [f"client_id {registered.client.client_id}"]
        if registered.secret:
            told.append(f"client_secret {registered.secret}")
        return "\n".join(told)

    do(run)


@clients.command("share")
def client_share(
    client_id: Annotated[str, typer.Argument(help="A program that people sign in to.")],
    tenant: Annotated[str, typer.Option(help="The slug of the clinic that has it.")],
    to: Annotated[str, typer.Option(help="The slug of the clinic whose people may use it too.")],
) -> None:
    """Lets the people of another clinic use a program, each seeing their own clinic only."""
    from app.security.oauth.registration import share_client
    from app.security.ports import EventName

    async def run(core: Core) -> str:
        clinic, other = await tenant_named(core, tenant), await tenant_named(core, to)
        async with core.units.accounts.write() as uow:
            client = await uow.accounts.clients.find(client_id, tenant=clinic)
            if client is None:
                raise AppError.of(Category.NOT_FOUND, "not-found", f"no client {client_id}")
            await share_client(uow.accounts, client, tenant=other)
        await record(core, EventName.CLIENT_REGISTERED, tenant=other)
        return f"{client_id}: {to}"

    do(run)
