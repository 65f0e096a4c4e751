"""Bulk exports as a client asks for them: kick-off, status, files."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn

from tests.support.application import ORIGIN, Application
from tests.support.ports import free_port

ASYNC = {"Prefer": "respond-async", "Accept": "application/fhir+json"}


def below(url: str) -> str:
    """An absolute address as one below the FHIR base."""
    assert url.startswith(f"{ORIGIN}/fhir/"), url
    return url.removeprefix(f"{ORIGIN}/fhir/")


async def kick_off(
    http: httpx.AsyncClient, path: str = "$export", *, prefer: str = "respond-async", **options: Any
) -> httpx.Response:
    """Asks for an export; with ``json`` by POST."""
    method = "POST" if "json" in options else "GET"
    return await http.request(method, path, headers={**ASYNC, "Prefer": prefer}, **options)


async def started(http: httpx.AsyncClient, path: str = "$export", **options: Any) -> str:
    """The status address, below the base, of an export that was accepted."""
    answer = await kick_off(http, path, **options)
    assert answer.status_code == 202, answer.text
    return below(answer.headers["Content-Location"])


async def prepared(application: Application) -> None:
    """Prepares all that was asked for."""
    while await application.app.state.preparing.step():
        pass


async def manifest(
    application: Application, http: httpx.AsyncClient, path: str = "$export", **options: Any
) -> Any:
    """The manifest of an export, asked for and prepared."""
    status = await started(http, path, **options)
    await prepared(application)
    answer = await http.get(status)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def lines(http: httpx.AsyncClient, url: str) -> list[Any]:
    """The resources of one file."""
    answer = await http.get(below(url))
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/fhir+ndjson"
    assert answer.content == b"" or answer.content.endswith(b"\n")
    return [json.loads(line) for line in answer.content.splitlines()]


async def exported(http: httpx.AsyncClient, told: Any, which: str = "output") -> list[Any]:
    """The resources of all files of a manifest, each of the type it was announced as."""
    found = []
    for item in told[which]:
        for tree in await lines(http, item["url"]):
            assert tree["resourceType"] == item["type"]
            found.append(tree)
    return found


def named(trees: list[Any]) -> set[str]:
    """``Type/id`` of each, none of which comes twice."""
    names = [f"{tree['resourceType']}/{tree['id']}" for tree in trees]
    assert len(names) == len(set(names))
    return set(names)


@dataclass
class Streamed:
    """What came of an answer that was read piece by piece; ``cut`` where it never ended."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    cut: bool = True

    @property
    def trees(self) -> list[Any]:
        """The resources that came."""
        return [json.loads(line) for line in b"".join(self.pieces).splitlines()]

    @property
    def names(self) -> list[str]:
        """``Type/id`` of each."""
        return [f"{tree['resourceType']}/{tree['id']}" for tree in self.trees]


async def streamed(
    application: Application,
    http: httpx.AsyncClient,
    url: str,
    *,
    between: Callable[[int], Awaitable[object]] | None = None,
) -> Streamed:
    """Reads a file piece by piece; ``between`` happens after each, before the next is made."""
    found = Streamed()
    request = http.build_request("GET", below(url))
    scope = {
        "type": "http",
        "method": "GET",
        "http_version": "1.1",
        "scheme": "https",
        "path": request.url.path,
        "raw_path": request.url.raw_path,
        "query_string": b"",
        "root_path": "",
        "headers": [
            (name.lower(), value)
            for name, value in request.headers.raw
            if name.lower() != b"accept-encoding"
        ],
        "client": ("192.0.2.7", 4711),
        "server": ("rapport.test", 443),
        "state": {},
    }
    ended = asyncio.Event()
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            found.status = message["status"]
            found.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            return
        if message.get("body"):
            found.pieces.append(message["body"])
            if between is not None:
                await between(len(found.pieces))
        found.cut = bool(message.get("more_body", False))

    with contextlib.suppress(Exception):  # a server closes the connection then
        await application.app(scope, receive, send)
    ended.set()
    return found


@asynccontextmanager
async def on_a_socket(application: Application) -> AsyncIterator[str]:
    """The application behind the server that serves it; its address."""
    port = free_port()
    config = uvicorn.Config(application.app, port=port, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving
