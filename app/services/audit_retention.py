"""Letting go of old records: with the owner's connection, and said in the log itself.

What has left is still in the tree: its leaf commits to it, and tells nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from app.core.clock import SECOND, Clock, format_instant
from app.core.config import Settings
from app.repositories.audit_log import THE_LOG
from app.repositories.audit_tree import AuditTree
from app.repositories.audit_upkeep import AuditUpkeep
from app.repositories.unit_of_work import UnitsOfWork
from app.services.audit import HOME, AuditTrail

log = structlog.get_logger("rapport.audit")

_DAY = 86_400 * SECOND
_EVERY_SECONDS = 6 * 3600


async def maintain(
    units: UnitsOfWork, trail: AuditTrail, *, settings: Settings, clock: Clock
) -> list[str]:
    """Makes partitions and removes what is older than the settings keep; what was done."""
    upkeep = AuditUpkeep(settings.owner_database)
    done = [f"partition {name}" for name in await upkeep.make_partitions(now=clock.now())]
    before = clock.now() - settings.audit_keep_days * _DAY
    kept_from = await upkeep.would_keep_from(before)
    if kept_from and await _holds_older(units, kept_from):
        # First said, then done: no record leaves that the log does not account for.
        await units.audit.write(
            [trail.internal("audit-retained", tenant=HOME, name=f"{kept_from // 1000:013d}")]
        )
        await upkeep.drop_before(before)
        done.append(f"records from {format_instant(kept_from)} on are kept")
    return done


class PartitionsAhead:
    """Makes the months' partitions before they begin; for a process that has the owner's URL.

    Without it the default partition takes every record, so nothing here may end a process.
    """

    def __init__(self, owner_url: str, *, clock: Clock) -> None:
        self._upkeep = AuditUpkeep(owner_url)
        self._clock = clock
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ends ``run``."""
        self._stopping.set()

    async def run(self) -> None:
        """Looks every few hours until stopped."""
        while not self._stopping.is_set():
            try:
                for name in await self._upkeep.make_partitions(now=self._clock.now()):
                    log.info("audit.partition.made", name=name)
            except Exception as error:  # noqa: BLE001 - another process may make the same one
                log.warning("audit.partitions.wait", error=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _EVERY_SECONDS)


async def _holds_older(units: UnitsOfWork, instant: int) -> bool:
    async with units.database.read(THE_LOG) as connection:
        return await AuditTree(connection).holds_older(instant)
