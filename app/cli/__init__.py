"""The ``rapport`` command."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import accounts, clients, keys, retention, serve, tenants, upkeep
from app.core.config import Settings
from app.core.errors import AppError, Category


class _Commands(typer.Typer):
    """Says in a line what the operator can mend; anything else is a fault, shown whole."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        try:
            return super().__call__(*given, **named)
        except Exception as error:
            from app.cli.complaints import of

            complaints = of(error)
            for complaint in complaints:
                typer.echo(f"refused: {complaint}", err=True)
            if not complaints:
                raise
            sys.exit(1)


app = _Commands(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A secure FHIR R4 backend.",
)
audit_app = typer.Typer(no_args_is_help=True, help="The audit log.")
openapi_app = typer.Typer(no_args_is_help=True, help="The API's description.")
app.add_typer(tenants.tenants, name="tenant")
app.add_typer(clients.clients, name="client")
app.add_typer(audit_app, name="audit")
app.add_typer(accounts.users, name="user")
app.add_typer(keys.keys, name="keys")
app.add_typer(retention.retention, name="retention")
app.add_typer(openapi_app, name="openapi")
upkeep.register(app)
serve.register(app)


@app.command()
def migrate() -> None:
    """Brings the database to the newest schema and index, and loads the shared definitions."""
    from app.db.compaction import compact
    from app.db.migrate import upgrade
    from app.main import opened

    settings = Settings()
    upgrade(settings.owner_database, app_url=settings.database)

    async def load() -> tuple[int, int]:
        async with opened(settings) as core:
            return await core.tenants.load_shared(), await upkeep.reindexing(core).renew()

    stored, indexed = asyncio.run(load())
    if stored:
        typer.echo(f"stored {stored} definitions")
    if indexed:
        compact(settings.owner_database)  # what the index held before is not left behind
        typer.echo(f"indexed {indexed} resources")


@app.command()
def demo() -> None:
    """Loads the demo clinic, once."""
    from app.demo import is_loaded
    from app.main import opened

    settings = Settings()
    _only_in_demo(settings)

    async def run() -> None:
        async with opened(settings) as core:
            if not await is_loaded(core):
                from app.demo.loading import load

                await load(core)

    asyncio.run(run())
    typer.echo(f"credentials: {settings.demo_credentials}")


@app.command()
def rescore(
    tenant: Annotated[str | None, typer.Option(help="One clinic's slug; all without it.")] = None,
    anew: Annotated[bool, typer.Option("--anew", help="From the start, not where it stopped.")] = (
        False
    ),
) -> None:
    """Scores every response again by the definitions in use, or goes on doing so."""
    from app.main import opened
    from app.serving import settled

    async def run() -> None:
        async with opened(Settings()) as core:
            job = settled(core.engine.services.rescoring)
            async with core.units.accounts.read() as uow:
                tenants = [t for t in await uow.installation.tenants() if t.id]
            for each in tenants:
                if tenant in (None, each.slug):
                    total = await job.total(core.units, each.id)
                    with typer.progressbar(length=max(total, 1), label=each.slug) as bar:

                        def told(done: int, bar: Any = bar) -> None:
                            bar.update(done - bar.pos)

                        changed = await job.run(core.units, each.id, anew=anew, told=told)
                    counts = {"responses": str(total), "changed": str(changed)}
                    await accounts.keep(core, "rescored", tenant=each.id, **counts)
                    typer.echo(f"{each.slug}: {total} responses, {changed} scores changed")

    asyncio.run(run())


@audit_app.command("verify")
def audit_verify() -> None:
    """Reads the whole log: leaves, events, checkpoints and copies; exits 1 if one does not fit."""
    from app.main import opened, sequencer_of
    from app.services.audit_verification import Verdict, verify_log

    async def run() -> Verdict:
        async with opened(Settings()) as core:
            places = sequencer_of(core).places
            return await verify_log(core.units, [place.copy for place in places])

    verdict = asyncio.run(run())
    typer.echo(
        f"{verdict.entries} entries, {verdict.events} events opened, {verdict.gone} past retention"
    )
    for told in verdict.restored:
        typer.echo(f"restored: {told}")
    for finding in verdict.findings:
        typer.echo(f"tampered: {finding}", err=True)
    sys.exit(0 if verdict.is_sound else 1)


@audit_app.command("checkpoint")
def audit_checkpoint() -> None:
    """Sequences what waits, unless a server does, and prints the newest checkpoint."""
    from app.main import opened, sequencer_of
    from app.services.audit_proofs import Proofs

    async def run() -> str:
        async with opened(Settings()) as core:
            sequencer = sequencer_of(core)
            await sequencer.step()
            await sequencer.release()
            return (await Proofs(core.units).checkpoint()).note

    typer.echo(asyncio.run(run()), nl=False)


@audit_app.command("export")
def audit_export(directory: Path) -> None:
    """Writes checkpoint, keys and entries for examples/verify-audit."""
    from app.main import opened
    from app.services.audit_export import exported
    from app.services.audit_proofs import Proofs

    directory.mkdir(parents=True)

    async def run() -> None:
        async with opened(Settings()) as core:
            await accounts.keep(core, "export-finished", name="audit log")
            async for name, piece in exported(Proofs(core.units)):
                with (directory / name).open("ab") as file:
                    file.write(piece)

    asyncio.run(run())
    typer.echo(str(directory))


@audit_app.command("rotate-key")
def audit_rotate_key() -> None:
    """Makes a new key for checkpoints; what the old one signed still verifies."""
    from app.main import log_keys_of, opened
    from app.services.audit_keys import rotate_log_key

    async def run() -> str:
        async with opened(Settings()) as core:
            return await rotate_log_key(core.units, log_keys_of(core), core.trail)

    typer.echo(f"key {asyncio.run(run())}")


@audit_app.command("accept-restore")
def audit_accept_restore(
    reason: Annotated[str, typer.Option(help="Why the database was set back; kept for good.")],
) -> None:
    """Says in the log that the database was restored on purpose, so that it can go on."""
    from app.main import opened, sequencer_of
    from app.services.audit_restore import Restore, accept_restore

    async def run() -> list[Restore]:
        async with opened(Settings()) as core:
            places = sequencer_of(core).places
            copies = [place.copy for place in places]
            return await accept_restore(core.units, core.trail, copies, reason=reason)

    for each in asyncio.run(run()):
        typer.echo(f"set back from {each.size} entries to {each.start}: said in the log")


@audit_app.command("maintain")
def audit_maintain() -> None:
    """Makes next months' partitions and lets go of records past retention; run it monthly."""
    from app.main import opened
    from app.services.audit_retention import maintain

    settings = Settings()

    async def run() -> list[str]:
        async with opened(settings) as core:
            return await maintain(core.units, core.trail, settings=settings, clock=core.clock)

    for line in asyncio.run(run()):
        typer.echo(line)


@openapi_app.command("export")
def openapi_export(path: Annotated[Path, typer.Argument()] = Path("openapi/openapi.json")) -> None:
    """Writes the description of the API."""
    from app.routers.documentation import description

    path.write_bytes(description())
    typer.echo(str(path))


def _only_in_demo(settings: Settings) -> None:
    if settings.env != "demo":
        raise AppError.of(
            Category.FORBIDDEN, "forbidden", "the demo clinic is for RAPPORT_ENV=demo"
        )
