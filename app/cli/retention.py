"""``rapport retention``: how long records are kept, legal holds, and their end."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.accounts import do, tenant_named
from app.core.errors import AppError, Category

if TYPE_CHECKING:  # a command that is not run costs no start-up time
    from app.main import Core
    from app.services.retention import Person, Retention

retention = typer.Typer(no_args_is_help=True, help="How long records are kept, and their end.")

Slug = Annotated[str, typer.Option("--tenant", help="The clinic's slug.")]
PatientId = Annotated[str, typer.Option("--patient", help="The patient's id.")]


@retention.command("years")
def keep_for(tenant: Slug, years: int) -> None:
    """Sets for how many years after the last procedure a clinic keeps records."""

    async def run(core: Core) -> str:
        await _retention(core).keep_for(await tenant_named(core, tenant), years)
        return f"{tenant}: {years} years"

    do(run)


@retention.command()
def hold(
    tenant: Slug,
    patient: PatientId,
    reason: Annotated[str, typer.Option(help="A case number, nothing of the case.")],
) -> None:
    """Places a legal hold: the record is kept until it is released."""

    async def run(core: Core) -> str:
        placed = await _retention(core).hold(
            await tenant_named(core, tenant), patient, reason=reason
        )
        return f"hold {placed}"

    do(run)


@retention.command()
def release(tenant: Slug, patient: PatientId) -> None:
    """Ends the legal holds on a record."""

    async def run(core: Core) -> str:
        ended = await _retention(core).release(await tenant_named(core, tenant), patient)
        return f"released {ended}"

    do(run)


@retention.command()
def destroy(
    patient: PatientId,
    username: Annotated[str, typer.Option(help="Who asks or confirms; a password is asked for.")],
) -> None:
    """Destroys a patient's key, when a second person confirms within a week what one asked for."""
    password, code = _secrets()

    async def run(core: Core) -> str:
        from app.cli.upkeep import backups

        by = await _proved(core, username, password, code)
        if not await _retention(core).destroy(patient, by=by):
            return "asked: another admin or clinical lead must confirm it within a week"
        missed = await backups(core).renew_keys()
        lines = [f"not renewed, remove it: {path}" for path in missed]
        return "\n".join(["destroyed: no copy can be read any more", *lines])

    do(run)


async def _proved(core: Core, username: str, password: str, code: str) -> Person:
    """The person who this is, by password and second factor; ``forbidden`` otherwise."""
    from app.main import authorization_of
    from app.security.oauth.token import Caller
    from app.security.sessions import SECOND_FACTOR_OWED
    from app.services.retention import Person

    server = authorization_of(core)
    try:
        opened = await server.sign_in.with_password(username, password, caller=Caller())
        async with core.units.accounts.read() as uow:
            signed_in = await server.keeper.find(uow.accounts, opened.cookie)
        assert signed_in is not None
        if opened.pending == SECOND_FACTOR_OWED:
            opened = await server.sign_in.with_code(signed_in, code, caller=Caller())
            async with core.units.accounts.read() as uow:
                signed_in = await server.keeper.find(uow.accounts, opened.cookie)
            assert signed_in is not None
        async with core.units.accounts.write() as uow:
            await server.keeper.end(uow.accounts, signed_in)
    finally:
        server.hasher.close()
    if not signed_in.is_complete:
        raise AppError.of(Category.FORBIDDEN, "login", "sign in once and add a second factor first")
    account = signed_in.account
    return Person(account.tenant, account.account_id, account.role)


def _secrets() -> tuple[str, str]:
    if not sys.stdin.isatty():
        password, code = [*sys.stdin.read().splitlines(), "", ""][:2]
        return password, code
    return getpass.getpass("Password: "), getpass.getpass("Code of the second factor, if any: ")


def _retention(core: Core) -> Retention:
    from app.services.retention import Retention

    return Retention(core.units, core.trail, clock=core.clock, ids=core.ids)
