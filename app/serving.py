"""What a server process runs: the application by its settings, or the relay alone."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable

from fastapi import FastAPI

from app.core import logs
from app.core.config import Settings
from app.interactions.relay import Relay
from app.main import create_app, opened, running, sequencer_of


def with_relay() -> FastAPI:
    """The application, doing reactions too when it holds the lease."""
    logs.configure()
    return create_app(Settings())


def without_relay() -> FastAPI:
    """The application, leaving reactions to other processes."""
    logs.configure()
    return create_app(Settings(), relay=False)


async def run_relay(settings: Settings, *, stop_on: Iterable[signal.Signals]) -> None:
    """The relay until one of the signals comes."""
    async with opened(settings) as core:
        worker = Relay(core.units, core.engine.services, clock=core.clock, holder=core.ids.new_id())
        loop = asyncio.get_running_loop()
        for number in stop_on:
            loop.add_signal_handler(number, worker.stop)
        async with running(sequencer_of(core)):
            await worker.run()
