"""The socket over which subscribers are told: ``bind-with-token: …`` in, notifications out.

https://hl7.org/fhir/uv/subscriptions-backport/channels.html#websockets. Nobody is told anything
before they are bound; what is bound is looked at again every second, and the socket is closed when
nothing is left of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from typing import Final

import structlog
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from app.core.config import SOCKET_PATH
from app.db.engine import DatabaseBusy
from app.repositories.binding_tokens import BindingToken
from app.repositories.subscriptions import Standing
from app.routers.dependencies import Services
from app.routers.peers import address_of
from app.services.deliveries import Letter

log = structlog.get_logger("rapport.sockets")
router = APIRouter(include_in_schema=False)

MOST_SOCKETS: Final = 200  # of one process
MOST_STRANGERS: Final = 10  # of one address, before they are bound
MOST_BOUND: Final = 5  # tokens of one socket
MAX_MESSAGE: Final = 4096
BIND_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 1.0
_BIND = re.compile(r"bind-with-token:? *([A-Za-z0-9_-]{43})\s*")
_POLICY, _TRY_LATER = 1008, 1013
_open: set[WebSocket] = set()
_strangers: Counter[str] = Counter()


@router.websocket(SOCKET_PATH)
async def socket(websocket: WebSocket) -> None:
    """One socket, from its opening to its end."""
    services: Services = websocket.app.state.services
    if (websocket.url.hostname or "") not in services.settings.hosts:
        await websocket.close(_POLICY)
        return
    await websocket.accept()
    address = address_of(websocket, services.settings.trusted_proxies) or ""
    if len(_open) >= MOST_SOCKETS or _strangers[address] >= MOST_STRANGERS:
        await websocket.close(_TRY_LATER)
        return
    _open.add(websocket)
    try:
        await _Listening(websocket, services, address).run()
    except (WebSocketDisconnect, RuntimeError, TimeoutError):
        pass  # the subscriber went away
    except DatabaseBusy:
        with contextlib.suppress(RuntimeError):
            await websocket.close(_TRY_LATER)
    finally:
        _open.discard(websocket)


class _Listening:
    """A socket and what it is bound to."""

    def __init__(self, websocket: WebSocket, services: Services, address: str) -> None:
        self._websocket = websocket
        self._services = services
        self._units = services.units
        self._bindings = services.engine.services.bindings
        self._bound: list[BindingToken] = []
        self._address = address
        self._greeted: set[tuple[bytes, str]] = set()

    async def run(self) -> None:
        """Binds, then tells until nothing is left to be told."""
        receiving = asyncio.create_task(self._websocket.receive())
        patience = BIND_SECONDS
        self._count(1)
        try:
            while True:
                done, _ = await asyncio.wait({receiving}, timeout=patience)
                if done:
                    if not await self._bind(receiving.result()):
                        return
                    receiving = asyncio.create_task(self._websocket.receive())
                if not self._bound:
                    await self._websocket.close(_POLICY)
                    return
                patience = LOOK_SECONDS
                if not await self._tell():
                    await self._websocket.close(_POLICY)
                    return
        finally:
            receiving.cancel()
            if not self._bound:
                self._count(-1)

    def _count(self, more: int) -> None:
        """Keeps how many of an address are not bound; who left is forgotten."""
        _strangers[self._address] += more
        if _strangers[self._address] <= 0:
            del _strangers[self._address]

    async def _bind(self, message: object) -> bool:
        """Takes a message; False where it ends the socket."""
        assert isinstance(message, dict)
        if message["type"] != "websocket.receive":
            return False
        text = message.get("text") or ""
        asked = _BIND.fullmatch(text) if len(text) <= MAX_MESSAGE else None
        bound = None
        if asked is not None and len(self._bound) < MOST_BOUND:
            bound = await self._bindings.bind(self._units, asked[1])
        if bound is None:
            await self._services.record_stranger(self._websocket, "binding token")
            await self._websocket.close(_POLICY)
            return False
        if not self._bound:
            self._count(-1)
        self._bound.append(bound)
        return True

    async def _tell(self) -> bool:
        """Sends what there is; False where nothing that is bound is open any more."""
        is_open = False
        for bound in self._bound:
            for standing in await self._bindings.open(self._units, bound):
                is_open = True
                letter = await self._first(bound, standing)
                while letter is not None:
                    await self._send(letter)
                    letter = await self._more(bound, standing)
        return is_open

    async def _first(self, bound: BindingToken, standing: Standing) -> Letter | None:
        """A handshake for what is newly bound, once no other socket is being told; then events."""
        greeted = (bound.token_hash, standing.id)
        if greeted in self._greeted:
            return await self._bindings.next(self._units, standing)
        letter = await self._bindings.greeting(self._units, standing)
        if letter is not None:
            self._greeted.add(greeted)
        return letter

    async def _more(self, bound: BindingToken, before: Standing) -> Letter | None:
        found = await self._bindings.open(self._units, bound)
        standing = next((each for each in found if each.id == before.id), None)
        return await self._bindings.next(self._units, standing) if standing else None

    async def _send(self, letter: Letter) -> None:
        deliveries = self._services.engine.services.deliveries
        try:
            async with asyncio.timeout(letter.asked.timeout):
                await self._websocket.send_text(letter.body.decode())
        except BaseException:
            await deliveries.released(self._units, letter)
            raise
        await deliveries.taken(self._units, letter)
