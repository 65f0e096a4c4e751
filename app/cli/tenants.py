"""``rapport tenant``: clinics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.accounts import do, keep, record, tenant_named
from app.domain.consent import Implicit

if TYPE_CHECKING:  # a command that is not run costs no start-up time
    from app.main import Core

tenants = typer.Typer(no_args_is_help=True, help="Clinics.")


@tenants.command("add")
def tenant_add(slug: str, name: str) -> None:
    """Adds a clinic with the shipped instruments."""

    async def run(core: Core) -> str:
        added = await core.tenants.add(slug, name)
        await keep(core, "settings-changed", tenant=added.id, name="tenant added")
        return f"tenant {added.id}: {slug}"

    do(run)


@tenants.command("zone")
def tenant_zone(
    slug: str, zone: Annotated[str, typer.Argument(help="An IANA name, as Asia/Riyadh.")]
) -> None:
    """Sets the clinic's time zone: by its clock it is night, for alerts of the audit log."""
    from zoneinfo import available_timezones

    from app.security.ports import EventName

    if zone not in available_timezones():
        raise typer.BadParameter("no time zone of this name")

    async def run(core: Core) -> str:
        tenant = await tenant_named(core, slug)
        async with core.units.accounts.write() as uow:
            await uow.installation.set_zone(tenant, zone)
        await record(core, EventName.SETTINGS_CHANGED, tenant=tenant)
        return f"{slug}: {zone}"

    do(run)


@tenants.command("policy")
def tenant_policy(
    slug: str,
    policy: Annotated[Implicit, typer.Argument(help="What holds without a Consent.")],
) -> None:
    """Sets what holds of clients who have not given or refused any consent."""
    from app.security.ports import EventName

    async def run(core: Core) -> str:
        tenant = await tenant_named(core, slug)
        async with core.units.write(tenant) as uow:
            await uow.installation.set_policy(tenant, policy)
        await record(core, EventName.POLICY_CHANGED, tenant=tenant)
        return f"{slug}: {policy}"

    do(run)
