"""Records that belong to no write: of reads, refusals and what happens at the door.

They commit together with whatever else waits at that moment. While one commit is under way the
next records gather, so many at once cost few flushes and one alone waits for nobody. Whoever
wrote goes on only when its record is durable.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from app.db.engine import Change, Database, DatabaseBusy, EveryTenant, Whose
from app.fhir.audit.record import AuditRecord
from app.repositories.audit_log import AuditLog

MOST = 500  # records in one commit


@dataclass(slots=True, eq=False)
class _Waiting:
    records: Sequence[AuditRecord]
    durable: asyncio.Future[None]


class AuditWriter:
    """Appends records, each durable when ``write`` returns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def write(self, records: Sequence[AuditRecord]) -> None:
        """Returns when the records are durable; raises ``DatabaseBusy`` where they cannot be.

        A caller that is cancelled meanwhile leaves its records in the log all the same.
        """
        if not records:
            return
        waiting = _Waiting(records, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        await waiting.durable

    async def close(self) -> None:
        """Returns when everything handed in is durable or has failed."""
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        try:
            while self._queue:
                batch = self._taken()
                try:
                    await self._append([record for each in batch for record in each.records])
                except Exception as error:  # noqa: BLE001 - told to those who wait
                    await self._one_by_one(batch, error)
                else:
                    for each in batch:
                        _settle(each)
        finally:
            self._task = None

    def _taken(self) -> list[_Waiting]:
        count = end = 0
        for each in self._queue:
            count += len(each.records)
            if end and count > MOST:
                break
            end += 1
        batch, self._queue = self._queue[:end], self._queue[end:]
        return batch

    async def _one_by_one(self, batch: list[_Waiting], error: Exception) -> None:
        """One record that cannot be stored must not take others with it."""
        busy = isinstance(error.__cause__ or error, DatabaseBusy)
        if len(batch) == 1 or busy:
            for each in batch:
                _settle(each, error)
            return
        for each in batch:
            try:
                await self._append(each.records)
            except Exception as own:  # noqa: BLE001 - told to the one who waits
                _settle(each, own)
            else:
                _settle(each)

    async def _append(self, records: Sequence[AuditRecord]) -> None:
        tenants = {record.tenant for record in records}
        whose = tenants.pop() if len(tenants) == 1 else _TOGETHER
        await AuditLog(_Alone(self._database, whose)).append(records)


_TOGETHER = EveryTenant("records that wait together commit together")


@dataclass(frozen=True, slots=True)
class _Alone:
    """A transaction for what is appended."""

    database: Database
    whose: Whose

    async def apply(self, changes: Sequence[Change]) -> None:
        """Makes changes that last when this returns."""
        await self.database.apply(changes, self.whose)


def _settle(waiting: _Waiting, error: Exception | None = None) -> None:
    with contextlib.suppress(asyncio.InvalidStateError):  # its caller has gone
        if error is None:
            waiting.durable.set_result(None)
        else:
            waiting.durable.set_exception(error)
