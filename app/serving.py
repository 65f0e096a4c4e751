"""What a server process runs: the application by its settings, or the relay alone."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Iterable
from typing import TypeVar

from fastapi import FastAPI

from app import demo
from app.core import logs
from app.core.config import Settings
from app.core.ids import RandomIds
from app.db.durability import relaxed
from app.db.engine import connect
from app.db.schema import is_current
from app.db.server_role import weaknesses
from app.interactions.deliverer import Deliverer
from app.interactions.relay import Relay
from app.main import (
    create_app,
    opened,
    preparing_of,
    running,
    sequencer_of,
)
from app.security.root_key import KeyUnavailable, RootKey
from app.services.audit_retention import PartitionsAhead
from app.services.reindexing import is_indexed

T = TypeVar("T")


def with_relay() -> FastAPI:
    """The application, doing reactions too when it holds the lease."""
    logs.configure()
    return settled(create_app(Settings()))


def without_relay() -> FastAPI:
    """The application, leaving reactions to other processes."""
    logs.configure()
    return settled(create_app(Settings(), relay=False))


def settled(made: T) -> T:
    """What a process has made for as long as it runs, set aside from the search for garbage.

    Else every full search looks through all of the program again: a third of the time of a job
    that makes many small things, and a pause in the middle of a request.
    """
    gc.collect()
    gc.freeze()
    return made


async def reasons_not_to(settings: Settings) -> list[str]:
    """Every reason why a server may not start; empty when it may.

    A database that does not answer raises, as what ``app/cli/complaints.py`` knows.
    """
    reasons = settings.refusals()
    if settings.env != "demo":  # there it is made with the clinic
        try:
            RootKey.load(settings.root_key, RandomIds())
        except KeyUnavailable as error:
            reasons.append(f"{error}; `rapport keys create-root` makes a new installation's")
    current, weak = await _looked(settings)
    if not current:
        reasons.append("the database has not the newest schema and index: run `rapport migrate`")
    if settings.env == "production":
        reasons += weak
    return reasons


async def is_prepared(settings: Settings) -> bool:
    """Whether there is nothing left to migrate or to load."""
    if not (await _looked(settings))[0]:
        return False
    async with opened(settings) as core:
        if not await core.tenants.has_shared():
            return False
        return settings.env != "demo" or await demo.is_loaded(core)


async def _looked(settings: Settings) -> tuple[bool, list[str]]:
    """Whether schema and index are the newest, and why it is not safe enough for production."""
    if settings.is_nowhere():
        return False, []  # looking would make the file
    database = await connect(settings.database, pool_size=1, lock_timeout=10, statement_timeout=10)
    try:
        current = await is_current(database) and await is_indexed(database)
        apart = await weaknesses(database)
        return current, [
            *(f"{each}: `docs/operation.md` tells how roles are made" for each in apart),
            *(
                f"the database may lose what is committed: {each} is off"
                for each in await relaxed(database)
            ),
        ]
    finally:
        await database.close()


async def run_relay(settings: Settings, *, stop_on: Iterable[signal.Signals]) -> None:
    """The relay until one of the signals comes."""
    async with opened(settings) as core:
        worker = Relay(core.units, core.engine.services, clock=core.clock, holder=core.ids.new_id())
        loop = asyncio.get_running_loop()
        for number in stop_on:
            loop.add_signal_handler(number, worker.stop)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(running(sequencer_of(core)))
            await stack.enter_async_context(running(preparing_of(core)))
            deliverer = Deliverer(core.engine, holder=core.ids.new_id())
            await stack.enter_async_context(running(deliverer))
            if settings.migration_url:
                ahead = PartitionsAhead(settings.owner_database, clock=core.clock)
                await stack.enter_async_context(running(ahead))
            await worker.run()
