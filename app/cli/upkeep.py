"""``rapport backup``, ``restore`` and ``reindex``: what an operator does now and then."""

from __future__ import annotations

import asyncio
from errno import EEXIST
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.accounts import keep
from app.core.config import Settings

if TYPE_CHECKING:  # a command that is not run costs no start-up time
    from app.main import Core
    from app.services.backups import Backups
    from app.services.reindexing import Reindexing


def register(app: typer.Typer) -> None:
    """Adds the commands to the program."""
    app.command()(backup)
    app.command()(restore)
    app.command()(reindex)


def backup(path: Annotated[Path, typer.Argument(help="A file that does not exist yet.")]) -> None:
    """Writes everything to one file, and its keys to rapport.keys beside it; serving may go on."""
    from app.main import opened

    async def run() -> int:
        async with opened(Settings()) as core:
            if path.exists():
                raise FileExistsError(EEXIST, "exists", str(path))
            # First, so that no copy of the records is made without the log's knowing.
            await keep(core, "backup-written", name=path.name)
            return await backups(core).save(path)

    typer.echo(f"{asyncio.run(run())} rows in {path}")


def restore(path: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Puts a backup, by the keys beside it, into a migrated database that is not in use."""
    from app.main import opened

    async def run() -> tuple[int, int]:
        settings = Settings()
        async with opened(settings) as core:
            rows = await backups(core).load(path)
            await keep(core, "backup-restored", name=path.name, rows=str(rows))
        async with opened(settings) as core:
            return rows, await reindexing(core).run()

    rows, indexed = asyncio.run(run())
    typer.echo(f"{rows} rows restored, {indexed} resources indexed")


def reindex() -> None:
    """Makes the search index anew from what is stored; serving may go on."""
    from app.main import opened

    async def run() -> int:
        async with opened(Settings()) as core:
            return await reindexing(core).run()

    typer.echo(f"{asyncio.run(run())} resources indexed")


def backups(core: Core) -> Backups:
    """What writes and reads backups."""
    from app.db.schema import newest
    from app.services.backups import Backups

    return Backups(core.database, root=core.root, ids=core.ids, clock=core.clock, schema=newest())


def reindexing(core: Core) -> Reindexing:
    """What makes the search index anew."""
    from app.services.reindexing import Reindexing
    from app.services.relabelling import Relabelling

    base, services = core.settings.fhir_base, core.engine.services
    relabelling = Relabelling(derived=services.derived, base=base)
    return Reindexing(core.units, relabelling=relabelling, base=base)
