"""An endpoint of a subscriber's on this machine: keeps what it is sent, answers as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Posted:
    """One request: its line, its fields by name in lower case, its body."""

    line: str
    fields: dict[str, str]
    body: dict[str, Any]

    @property
    def status(self) -> dict[str, Any]:
        """The parameters of the status, by name; events together."""
        (first, *_) = self.body["entry"]
        found: dict[str, Any] = {"notification-event": []}
        for each in first["resource"]["parameter"]:
            if "part" in each:
                found[each["name"]].append(
                    {
                        part["name"]: next(v for k, v in part.items() if k.startswith("value"))
                        for part in each["part"]
                    }
                )
            else:
                found[each["name"]] = next(v for k, v in each.items() if k.startswith("value"))
        return found

    @property
    def type(self) -> str:
        return str(self.status["type"])

    @property
    def numbers(self) -> list[int]:
        return [int(each["event-number"]) for each in self.status["notification-event"]]

    @property
    def focuses(self) -> list[str]:
        """``Type/id`` of each event."""
        return [
            each["focus"]["reference"].partition("/fhir/")[2]
            for each in self.status["notification-event"]
        ]


@dataclass
class Receiver:
    """``answers`` are given first, in turn: a status, ``hang``, ``close`` or ``Location: …``."""

    port: int = 0
    answers: list[int | str] = field(default_factory=list)
    default: int | str = 200
    posts: list[Posted] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def events(self) -> list[Posted]:
        """What was sent of events."""
        return [each for each in self.posts if each.type == "event-notification"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            # Who speaks no HTTP, or goes away in the middle, is no subscription's delivery.
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                await self._answer(reader, writer)
        finally:
            self.open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        fields = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        self.posts.append(Posted(head[0], fields, json.loads(body)))
        answer = self.answers.pop(0) if self.answers else self.default
        if answer == "hang":
            await self.released.wait()
        if answer in ("close", "hang"):
            return
        status, more = (302, f"{answer}\r\n") if isinstance(answer, str) else (answer, "")
        secret = '{"issue": "body-of-the-receiver"}'
        writer.write(
            f"HTTP/1.1 {status} X\r\n{more}content-length: {len(secret)}\r\n\r\n{secret}".encode()
        )
        await writer.drain()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """An endpoint, until the end of the block."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.close()
        await server.wait_closed()
