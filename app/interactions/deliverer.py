"""The deliverer: brings subscribers what happened, beside the relay.

One process at a time holds its lease and looks for what is due. Each Subscription has its own
task, one at a time, so an endpoint that hangs keeps nobody else waiting; a claim in the database
keeps others off it even where a process was taken for dead. What a process leaves when it dies is
due again when its claim has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Final

import structlog

from app.core.clock import SECOND
from app.core.errors import AppError
from app.db.engine import DatabaseBusy, EveryTenant
from app.interactions.context import Engine
from app.repositories.leases import Role
from app.repositories.subscriptions import Standing

log = structlog.get_logger("rapport.deliverer")

LEASE: Final = "deliverer"
SUBSCRIBERS: Final = EveryTenant("one worker delivers for all, and rows say whose they are")
LEASE_SECONDS: Final = 10
MOST_AT_ONCE: Final = 256
MOST_OF_ONE: Final = 16  # of one clinic, whose endpoints may all hang
IDLE_SECONDS: Final = 0.5
PURGE_EVERY: Final = 3600 * SECOND
_DAY: Final = 86_400 * SECOND
_STOPPING_SECONDS: Final = 15.0


class Deliverer:
    """Serves the Subscriptions for which something is due until it is stopped."""

    def __init__(self, engine: Engine, *, holder: str) -> None:
        self._units = engine.units
        self._deliveries = engine.services.deliveries
        self._clock = engine.clock
        self._keep = engine.settings.subscription_keep_days * _DAY
        self._role = Role(
            engine.units.database,
            LEASE,
            holder=holder,
            lasting=LEASE_SECONDS * SECOND,
            clock=engine.clock,
        )
        self._busy: dict[tuple[int, str], asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._stopping = False
        self._purged = 0

    def stop(self) -> None:
        """Ends ``run`` when what is under way has been answered, or soon."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Works until stopped."""
        while not self._stopping:
            try:
                if await self._role.take():
                    await self._begin()
                    await self.purge()
            except (DatabaseBusy, AppError) as error:
                log.warning("deliverer could not work", reason=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), IDLE_SECONDS)
            self._woken.clear()
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=_STOPPING_SECONDS)
        for task in list(self._busy.values()):
            task.cancel()
        with contextlib.suppress(DatabaseBusy):
            await self._role.leave()

    async def run_once(self) -> int:
        """Does what is due now, to its end; for how many Subscriptions."""
        begun = await self._begin()
        await asyncio.gather(*self._busy.values())
        return begun

    async def purge(self) -> None:
        """Forgets once an hour the events that are old enough."""
        now = self._clock.now()
        if now - self._purged >= PURGE_EVERY:
            async with self._units.write(SUBSCRIBERS) as unit:
                await unit.events.purge(before=now - self._keep)
                await unit.binding_tokens.purge(before=now)
            self._purged = now

    async def _begin(self) -> int:
        """Begins with what is due and not under way."""
        async with self._units.read(SUBSCRIBERS) as unit:
            due = await unit.subscriptions.due(self._clock.now(), limit=2 * MOST_AT_ONCE)
        begun = 0
        for standing in due:
            key = (standing.tenant, standing.id)
            if key in self._busy or not self._has_room(standing.tenant):
                continue
            task = asyncio.create_task(self._serve(standing))
            self._busy[key] = task
            task.add_done_callback(partial(self._served, key))
            begun += 1
        return begun

    def _has_room(self, tenant: int) -> bool:
        own = sum(1 for busy, _ in self._busy if busy == tenant)
        return own < MOST_OF_ONE and len(self._busy) < MOST_AT_ONCE

    def _served(self, key: tuple[int, str], _task: asyncio.Task[None]) -> None:
        self._busy.pop(key, None)

    async def _serve(self, standing: Standing) -> None:
        try:
            await self._deliveries.serve(self._units, standing)
            self._woken.set()  # there may be more for it
        except Exception as error:  # noqa: BLE001 - one Subscription must not stop the others
            log.error(  # noqa: TRY400 - a traceback may hold what was told
                "delivery failed", error=type(error).__name__
            )
