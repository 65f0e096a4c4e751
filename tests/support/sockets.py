"""A socket to the application in this process, over ASGI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.core.config import SOCKET_PATH
from tests.support.application import Application
from tests.support.receiver import Posted

PATIENCE = 20


class Socket:
    """What a client sends over it and gets."""

    def __init__(self, task: asyncio.Task[Any], sent: asyncio.Queue[Any]) -> None:
        self.task = task
        self.sent = sent
        self.got: asyncio.Queue[Any] = asyncio.Queue()

    async def say(self, text: str) -> None:
        await self.sent.put({"type": "websocket.receive", "text": text})

    async def accepted(self) -> None:
        """Waits until it is open."""
        async with asyncio.timeout(PATIENCE):
            assert (await self.got.get())["type"] == "websocket.accept"
        await asyncio.sleep(0)

    async def next(self) -> Posted:
        """The next notification."""
        message = await self._next()
        assert message["type"] == "websocket.send", message
        return Posted("", {}, json.loads(message["text"]))

    async def closed(self) -> int:
        """The code with which the server closed it."""
        message = await self._next()
        assert message["type"] == "websocket.close", message
        return int(message["code"])

    async def _next(self) -> Any:
        async with asyncio.timeout(PATIENCE):
            message = await self.got.get()
            while message["type"] == "websocket.accept":
                message = await self.got.get()
            return message


@asynccontextmanager
async def socket(application: Application, *, host: str = "rapport.test") -> AsyncIterator[Socket]:
    """A socket that is opened, and gone at the end of the block."""
    sent: asyncio.Queue[Any] = asyncio.Queue()
    await sent.put({"type": "websocket.connect"})
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "wss",
        "path": SOCKET_PATH,
        "raw_path": SOCKET_PATH.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", host.encode())],
        "client": ("192.0.2.7", 4711),
        "server": (host, 443),
        "subprotocols": [],
        "state": {},
    }
    got: asyncio.Queue[Any] = asyncio.Queue()
    task = asyncio.create_task(application.app(scope, sent.get, got.put))
    opened = Socket(task, sent)
    opened.got = got
    try:
        yield opened
    finally:
        await sent.put({"type": "websocket.disconnect", "code": 1001})
        async with asyncio.timeout(PATIENCE):
            await task
