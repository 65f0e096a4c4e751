"""Connections to PostgreSQL that go from one user to the next as they are.

asyncpg's own pool resets a session after each use, which is a round trip. Nothing that runs
here changes a session but for whose rows it sees, which stays as it is until somebody needs
another's; a connection that was left in the middle of something is closed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

import asyncpg

PATIENCE = 10.0  # seconds to wait for a connection


@dataclass(slots=True, eq=False)
class Pooled:
    """An open connection, and whose rows its session sees: nobody's at first."""

    raw: Any
    sees: int | None = None


class Pool:
    """Open connections, the last used first."""

    def __init__(self, url: str, *, size: int, options: dict[str, Any]) -> None:
        self._url = url
        self._size = size
        self._options = options
        self._idle: list[Pooled] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[Pooled | None]] = deque()

    async def acquire(self, wanted: int) -> Pooled:
        """A connection, when there is one: best one that sees the wanted rows already."""
        while (place := self._best(wanted)) is not None:
            pooled = self._idle.pop(place)
            if not pooled.raw.is_closed():
                return pooled
            self._open -= 1
        if self._open < self._size:
            return await self._connect()
        return await self._wait() or await self._connect()

    def _best(self, wanted: int) -> int | None:
        """The place of the last used that sees the wanted; if none may be opened, the oldest."""
        for place in reversed(range(len(self._idle))):
            if self._idle[place].sees == wanted:
                return place
        return 0 if self._idle and self._open >= self._size else None

    async def _wait(self) -> Pooled | None:
        """A connection that somebody gave back, or None where one may be opened."""
        waiter: asyncio.Future[Pooled | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(PATIENCE):
                return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():  # given, and not wanted any more
                given = waiter.result()
                if given is None:
                    self._open += 1
                    self._lost()
                else:
                    self.release(given)
            raise

    async def _connect(self) -> Pooled:
        self._open += 1
        try:
            return Pooled(await asyncpg.connect(self._url, **self._options))
        except BaseException:
            self._lost()
            raise

    def release(self, pooled: Pooled) -> None:
        """Takes a connection back; one that was left in the middle of something is closed."""
        if pooled.raw.is_closed() or pooled.raw.is_in_transaction():
            pooled.raw.terminate()
            self._lost()
            return
        waiter = self._next()
        if waiter is not None:
            waiter.set_result(pooled)
        else:
            self._idle.append(pooled)

    def _lost(self) -> None:
        self._open -= 1
        waiter = self._next()
        if waiter is not None:
            waiter.set_result(None)  # there is room for a new one

    def _next(self) -> asyncio.Future[Pooled | None] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None

    async def close(self) -> None:
        """Closes what is not in use."""
        while self._idle:
            await self._idle.pop().raw.close()
