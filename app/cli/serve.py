"""``rapport serve``, ``relay`` and ``doctor``: running, and whether it may."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import accounts
from app.core import config, logs
from app.core.config import Settings


def register(app: typer.Typer) -> None:
    """Adds the commands to the program."""
    app.command()(serve)
    app.command()(relay)
    app.command()(doctor)


def serve(
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    no_relay: Annotated[
        bool, typer.Option("--no-relay", help="Leave reactions to others.")
    ] = False,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="First migrate and, in the demo, load the clinic.")
    ] = False,
) -> None:
    """Serves until SIGTERM, then finishes what is in flight and exits 0."""
    settings = Settings()
    with tempfile.TemporaryDirectory(prefix="rapport-figures-") as figures:
        if workers > 1:
            config.keep_figures_in(Path(figures))  # before the program is imported
        if prepare:
            _prepare(settings)
        _serve(settings, workers, target="without_relay" if no_relay else "with_relay")


def _serve(settings: Settings, workers: int, *, target: str) -> None:
    import uvicorn

    _refuse_unless_fit(settings)
    logs.configure()
    if settings.env == "demo":
        typer.echo(f"FHIR base       {settings.fhir_base}")
        typer.echo(f"documentation   {settings.origin}/docs")
        typer.echo(f"credentials     {settings.demo_credentials}")
    options: dict[str, Any] = {
        "factory": True,
        "host": settings.host,
        "port": settings.port,
        "loop": "uvloop",
        "http": "app.routers.wire:GuardedConnection",
        "ws": "websockets-sansio",
        "ws_max_size": 4096,  # nobody says more than a token
        "ws_per_message_deflate": False,
        "server_header": False,
        "date_header": True,
        "proxy_headers": False,
        "access_log": False,
        "log_config": None,
        "timeout_graceful_shutdown": 30,
        "workers": workers,
    }
    # uvicorn raises the signal that ended it once more, when all is done: that is no failure.
    signal.signal(signal.SIGTERM, lambda *_: None)
    if workers > 1:
        from app.cli.workers import fork_workers

        fork_workers()
    uvicorn.run(f"app.serving:{target}", **options)


def _prepare(settings: Settings) -> None:
    """Migrates and loads what is missing; apart, so that serving does not keep its memory."""
    from app.serving import is_prepared

    if asyncio.run(is_prepared(settings)):
        return
    for command in ("migrate", "demo") if settings.env == "demo" else ("migrate",):
        done = subprocess.run([sys.executable, sys.argv[0], command], check=False)  # noqa: S603
        if done.returncode:
            raise typer.Exit(done.returncode)


def relay() -> None:
    """Does what written versions call for, without serving."""
    from app.serving import run_relay

    _refuse_unless_fit(Settings())
    logs.configure()
    asyncio.run(run_relay(Settings(), stop_on=(signal.SIGTERM, signal.SIGINT)))


def doctor(
    roles: Annotated[bool, typer.Option("--roles", help="Print who may do what, and end.")] = False,
) -> None:
    """Checks the settings and the database."""
    from app.db.server_role import weaknesses
    from app.interactions.relay import QUEUE
    from app.main import opened

    if roles:
        accounts.print_roles()
        return

    settings = Settings()
    _refuse_unless_fit(settings)

    async def look() -> None:
        async with opened(settings) as core, core.units.read(QUEUE) as uow:
            tenants = await uow.installation.tenants()
            waiting, _ = await uow.outbox.backlog(core.clock.now())
            events, _ = await uow.events.backlog()
            typer.echo(
                f"tenants: {len(tenants)}, reactions waiting: {waiting}, deliveries: {events}"
            )
            for weakness in await weaknesses(core.database):
                typer.echo(f"tenants are not held apart: {weakness}")

    asyncio.run(look())


def _refuse_unless_fit(settings: Settings) -> None:
    from app.serving import reasons_not_to

    reasons = asyncio.run(reasons_not_to(settings))
    for reason in reasons:
        typer.echo(f"refused: {reason}", err=True)
    if reasons:
        raise typer.Exit(1)
