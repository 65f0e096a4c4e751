"""``rapport user``: people; and what commands of several files share."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from app.core.config import Settings
from app.core.errors import AppError, Category

if TYPE_CHECKING:  # a command that is not run costs no start-up time
    from app.main import Core
    from app.security.ports import EventName

users = typer.Typer(no_args_is_help=True, help="People.")


@users.command("add")
def user_add(
    tenant: Annotated[str, typer.Option(help="The clinic's slug.")],
    username: Annotated[str, typer.Option(help="Unique over all clinics.")],
    name: Annotated[str, typer.Option(help="What people call them.")],
    role: Annotated[str, typer.Option(help="A role of the table that `doctor --roles` prints.")],
    fhir_user: Annotated[str | None, typer.Option(help="Practitioner/1 or Patient/1.")] = None,
    email: str | None = None,
    locale: str = "en",
    with_password: Annotated[
        bool, typer.Option(help="Ask for a password now instead of printing an invitation.")
    ] = False,
) -> None:
    """Adds a person; prints the link by which they choose a password."""
    from app.main import authorization_of
    from app.security.oauth.token import Caller
    from app.security.people import NewUser, add_user
    from app.security.ports import EventName

    password = _password() if with_password else None

    async def run(core: Core) -> str:
        server = authorization_of(core)
        try:
            account = await add_user(
                core.units.accounts,
                NewUser(
                    tenant=await tenant_named(core, tenant),
                    username=username,
                    name=name,
                    role=role,
                    fhir_user=fhir_user,
                    password=password,
                    email=email,
                    locale=locale,
                ),
                hasher=server.hasher,
                ids=core.ids,
                now=core.clock.now(),
            )
            await record(
                core, EventName.ACCOUNT_CREATED, tenant=account.tenant, subject=account.account_id
            )
            if password is not None:
                return f"user {account.account_id}"
            link = await server.links.invite(account, caller=Caller())
            return f"user {account.account_id}\ninvitation {link}"
        finally:
            server.hasher.close()

    do(run)


def print_roles() -> None:
    """Prints who may do what, one line a role and type."""
    from app.security import roles

    for role, row in roles.table().items():
        for type_name, cell in row.items():
            rules = " ".join(f"{rule.actions}@{rule.condition}" for rule in cell) or roles.REFUSAL
            typer.echo(f"{role:15} {type_name:22} {rules}")


def do(work: Callable[[Core], Awaitable[str]]) -> None:
    """Does a command's work on the opened program and prints what it tells."""
    from app.main import opened

    async def run() -> str:
        async with opened(Settings()) as core:
            return await work(core)

    typer.echo(asyncio.run(run()))


async def record(
    core: Core, name: EventName, *, tenant: int | None = None, subject: str | None = None
) -> None:
    """Keeps in the audit log what a command did."""
    from app.security.ports import SecurityEvent
    from app.services.sink import Sink

    event = SecurityEvent(
        name,
        at=core.clock.now(),
        outcome="success",
        tenant=tenant,
        subject=subject,
        reason="by command",
    )
    await Sink(core.units, core.trail).record(event)


async def keep(
    core: Core, event: str, *, tenant: int = 0, name: str | None = None, **detail: str
) -> None:
    """Keeps in the audit log what a command does to a clinic, or to the installation."""
    record = core.trail.internal(event, tenant=tenant, name=name, detail=detail)
    await core.units.audit.write([record])


async def tenant_named(core: Core, slug: str) -> int:
    """The number of a clinic; ``not-found`` for a slug that there is none of."""
    async with core.units.accounts.read() as uow:
        found = await uow.accounts.clients.tenant_by_slug(slug)
    if found is None:
        raise AppError.of(Category.NOT_FOUND, "not-found", f"no tenant {slug}")
    return found.id


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return getpass.getpass("Password: ")
