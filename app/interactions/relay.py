"""The relay: does what written versions call for, at least once, in order of writing.

One process at a time holds the lease. Each reaction runs in its own unit of work together
with the removal of its row, so a crash leaves the row and nothing half done; a reaction that
fails waits longer each time. Reactions store under stable ids, so a repeat changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from app.core.clock import SECOND, Clock
from app.core.errors import AppError
from app.db.engine import DatabaseBusy, EveryTenant, UniqueViolation
from app.interactions.rules import REACTIONS
from app.interactions.services import Services
from app.repositories.leases import Role
from app.repositories.outbox import Written
from app.repositories.unit_of_work import UnitsOfWork

log = structlog.get_logger("rapport.relay")

LEASE = "relay"
QUEUE = EveryTenant("one queue, whose rows say whose they are")
LEASE_SECONDS = 10
BATCH = 50
IDLE_SECONDS = 0.25
PURGE_EVERY = 3600 * SECOND
KEPT_FOR = 24 * 3600 * SECOND  # what ended: a code used again is still known by then


class Relay:
    """Claims outbox rows and runs their reactions until it is stopped."""

    def __init__(
        self, units: UnitsOfWork, services: Services, *, clock: Clock, holder: str
    ) -> None:
        self._units = units
        self._services = services
        self._clock = clock
        self._role = Role(
            units.database, LEASE, holder=holder, lasting=LEASE_SECONDS * SECOND, clock=clock
        )
        self._woken = asyncio.Event()
        self._stopping = False
        self._purged = 0

    def wake(self) -> None:
        """Tells the relay that something was written."""
        self._woken.set()

    def stop(self) -> None:
        """Ends ``run`` after the reaction under way."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Works until stopped."""
        while not self._stopping:
            done = 0
            try:
                if await self._role.take():
                    done = await self.run_once()
                    await self.purge()
            except (DatabaseBusy, AppError) as error:
                log.warning("relay could not work", reason=type(error).__name__)
            if not done:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), IDLE_SECONDS)
                self._woken.clear()
        with contextlib.suppress(DatabaseBusy):
            await self._role.leave()

    async def run_once(self) -> int:
        """Does what is due now; the number of rows tried."""
        async with self._units.read(QUEUE) as unit:
            due = await unit.outbox.due(self._clock.now(), limit=BATCH)
        for written in due:
            if self._stopping:
                break
            await self._react(written)
        return len(due)

    async def purge(self) -> None:
        """Forgets once an hour what accounts had and what has long ended."""
        now = self._clock.now()
        if now - self._purged >= PURGE_EVERY:
            async with self._units.accounts.write() as unit:
                await unit.accounts.purge(before=now - KEPT_FOR)
            self._purged = now

    async def _react(self, written: Written) -> None:
        afterwards = None
        try:
            async with self._units.write(written.tenant, resources=32) as unit:
                if await unit.outbox.claim(written):
                    react = REACTIONS[written.reaction]
                    afterwards = await react(self._services, unit, written)
            if afterwards is not None:
                await afterwards(self._units)
        except Exception as error:  # noqa: BLE001 - one bad row must not stop the others
            log.error(  # noqa: TRY400 - a traceback may hold what was answered
                "reaction failed",
                reaction=written.reaction,
                attempts=written.attempts + 1,
                error=type(error).__name__,
            )
            with contextlib.suppress(DatabaseBusy, UniqueViolation):
                async with self._units.write(written.tenant) as unit:
                    await unit.outbox.postpone(written, now=self._clock.now())
