"""Letting go of old records: with the owner's connection, and said in the log itself.

What has left is still in the tree: its leaf commits to it, and tells nothing of it.
"""

from __future__ import annotations

from app.core.clock import SECOND, Clock, format_instant
from app.core.config import Settings
from app.repositories.audit_tree import AuditTree
from app.repositories.audit_upkeep import AuditUpkeep
from app.repositories.unit_of_work import UnitsOfWork
from app.services.audit import HOME, AuditTrail

_DAY = 86_400 * SECOND


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


async def _holds_older(units: UnitsOfWork, instant: int) -> bool:
    async with units.database.read() as connection:
        return await AuditTree(connection).holds_older(instant)
