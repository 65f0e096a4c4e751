"""Partitions and retention of the audit log: the owner's work, on the owner's connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from app.db.audit_partitions import drop_before, leaves_from, make_partitions
from app.db.owner import connected

_T = TypeVar("_T")


class AuditUpkeep:
    """Does what the application's role may not."""

    def __init__(self, owner_url: str) -> None:
        self._url = owner_url

    async def make_partitions(self, *, now: int) -> list[str]:
        """The partitions made for this month and the next ones; none on SQLite."""
        if self._url.startswith("sqlite:"):
            return []
        return await self._do(lambda connection: make_partitions(connection, now=now))

    async def would_keep_from(self, before: int) -> int:
        """From which instant on records would be kept; 0 where none would leave."""
        return await self._do(lambda connection: leaves_from(connection, before))

    async def drop_before(self, before: int) -> int:
        """Removes records older than an instant; from which one on they are kept."""
        return await self._do(lambda connection: drop_before(connection, before))

    async def _do(self, work: Callable[[Connection], _T]) -> _T:
        done: list[_T] = []
        # ``connected`` has a loop of its own.
        await asyncio.to_thread(connected, self._url, lambda each: done.append(work(each)))
        return done[0]
