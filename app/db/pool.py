"""Connections to PostgreSQL that go from one user to the next as they are.

asyncpg's own pool resets a session after each use, which is a round trip. Nothing that runs
here changes a session; a connection that was left in the middle of something is closed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import asyncpg

PATIENCE = 10.0  # seconds to wait for a connection


class Pool:
    """Open connections, the last used first."""

    def __init__(self, url: str, *, size: int, options: dict[str, Any]) -> None:
        self._url = url
        self._size = size
        self._options = options
        self._idle: list[Any] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[Any]] = deque()

    async def acquire(self) -> Any:
        """A connection, when there is one."""
        while self._idle:
            raw = self._idle.pop()
            if not raw.is_closed():
                return raw
            self._open -= 1
        if self._open < self._size:
            return await self._connect()
        raw = await self._wait()
        return raw if raw is not None else await self._connect()

    async def _wait(self) -> Any:
        """A connection that somebody gave back, or None where one may be opened."""
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(PATIENCE):
                return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():  # given, and not wanted any more
                if waiter.result() is None:
                    self._open += 1
                    self._lost()
                else:
                    self.release(waiter.result())
            raise

    async def _connect(self) -> Any:
        self._open += 1
        try:
            return await asyncpg.connect(self._url, **self._options)
        except BaseException:
            self._lost()
            raise

    def release(self, raw: Any) -> None:
        """Takes a connection back; one that was left in the middle of something is closed."""
        if raw.is_closed() or raw.is_in_transaction():
            raw.terminate()
            self._lost()
            return
        waiter = self._next()
        if waiter is not None:
            waiter.set_result(raw)
        else:
            self._idle.append(raw)

    def _lost(self) -> None:
        self._open -= 1
        waiter = self._next()
        if waiter is not None:
            waiter.set_result(None)  # there is room for a new one

    def _next(self) -> asyncio.Future[Any] | None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None

    async def close(self) -> None:
        """Closes what is not in use."""
        while self._idle:
            await self._idle.pop().close()
