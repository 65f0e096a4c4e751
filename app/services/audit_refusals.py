"""Requests without a valid token, counted: a flood of them must not be a flood of records.

The first of an address in a second is recorded before it is answered; the others of that
second are one more record, with their number, when the second is over.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from app.core.clock import SECOND, Clock
from app.db.engine import DatabaseBusy
from app.repositories.audit_writer import AuditWriter
from app.services.audit import AuditTrail

log = structlog.get_logger("rapport.audit")

_Key = tuple[str | None, str]


@dataclass(slots=True)
class _Counted:
    since: int
    first: asyncio.Task[None]
    more: int = 0


class Refusals:
    """Records refusals of callers whom nobody knows."""

    def __init__(self, writer: AuditWriter, trail: AuditTrail, *, clock: Clock) -> None:
        self._writer = writer
        self._trail = trail
        self._clock = clock
        self._open: dict[_Key, _Counted] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def add(self, *, address: str | None, reason: str) -> None:
        """Counts one refusal; the first of its second is durable when this returns.

        Where that one cannot be kept, none of them is counted: the next is a first again.
        """
        key = (address, reason)
        found = self._open.get(key)
        if found is not None:
            await asyncio.shield(found.first)
            found.more += 1
            return
        record = self._trail.unauthenticated(address=address, reason=reason)
        first = asyncio.create_task(self._writer.write([record]))
        self._open[key] = _Counted(self._clock.now(), first)
        try:
            await asyncio.shield(first)
        except DatabaseBusy:
            del self._open[key]
            raise
        task = asyncio.create_task(self._close_later(key))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Records what is still counted."""
        for task in self._closing:
            task.cancel()
        for key in list(self._open):
            await self._record(key)

    async def _close_later(self, key: _Key) -> None:
        await asyncio.sleep(1)
        try:
            await self._record(key)
        except DatabaseBusy:
            log.warning("audit.refusals.lost")

    async def _record(self, key: _Key) -> None:
        counted = self._open.pop(key, None)
        if counted is None or not counted.more:
            return
        address, reason = key
        record = self._trail.unauthenticated(
            address=address, reason=reason, count=counted.more, at=counted.since + SECOND - 1
        )
        await self._writer.write([record])
