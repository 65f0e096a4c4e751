"""The edge: what every request passes before a route sees it, and every answer on its way out.

Bodies, addresses and encodings have limits that end the request; every answer carries its
``X-Request-Id`` and headers that keep it out of caches, frames and other origins.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.config import Settings
from app.core.errors import AppError, Category
from app.core.ids import IdSource
from app.db.engine import DatabaseBusy
from app.interactions.refusals import unavailable
from app.routers import metrics
from app.routers.dependencies import services_of
from app.routers.encoding import PLAIN, TAKEN, Opening, too_large, unknown
from app.routers.endpoint import endpoint_of
from app.routers.errors import answer_to, respond
from app.routers.fields import Fields, fields_of
from app.routers.peers import address_of
from app.routers.throttle import Throttle

log = structlog.get_logger("rapport.access")

MAX_TARGET = 16 * 1024
BODY_SECONDS: Final = 10  # that waiting for a body may take, and as much more as it brings:
BODY_RATE: Final = 4 * 1024  # bytes a second
# Asked by whoever runs the machine, under whatever name it has there; they build no address.
_ANY_HOST = ("/health/", "/metrics")
_REQUEST_ID = re.compile(r"[A-Za-z0-9\-._~]{1,64}", re.ASCII)
_TOKEN = re.compile(rb"(?:^|&)access_token=")
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_HTTPS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


class Guard:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, *, settings: Settings, ids: IdSource) -> None:
        self._app = app
        self._settings = settings
        self._ids = ids
        self._hosts = settings.hosts
        self._addresses = Throttle(settings.address_rate)
        self._fixed = (*_HEADERS, _HTTPS) if settings.origin.startswith("https:") else _HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fields = fields_of(scope)
        given = fields.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else self._ids.new_id()
        scope["state"]["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                out: list[tuple[bytes, bytes]] = message["headers"]
                said = {name for name, _ in out}
                out += [pair for pair in self._fixed if pair[0] not in said]
                out.append((b"x-request-id", request_id.encode()))
                if "is_late" in scope["state"]:  # whoever answers it: no more is waited for
                    out.append((b"connection", b"close"))
            await send(message)

        refusal = self._refusal(scope, fields)
        if refusal is not None:
            refusal = await _counted(scope, refusal)
            await respond(refusal)(scope, receive, answer)
        else:
            try:
                await self._app(scope, self._capped(scope, receive, fields), answer)
            except Exception as error:
                if status:
                    raise
                await answer_to(error)(scope, receive, answer)
        endpoint, seconds = endpoint_of(scope), time.perf_counter() - started
        metrics.count(scope["method"], endpoint, status=status, seconds=seconds)
        log.info(
            "request",
            method=scope["method"],
            route=endpoint,
            status=status,
            ms=round(seconds * 1000, 1),
            request_id=request_id,
        )

    def _refusal(self, scope: Scope, fields: Fields) -> AppError | None:
        target = len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
        if not scope["path"].startswith(_ANY_HOST):
            if not self._is_ours(fields.get("host", ",")):
                return AppError.of(Category.INVALID, "security", "this is not the host asked for")
            peer = address_of(HTTPConnection(scope), self._settings.trusted_proxies)
            try:
                self._addresses.check(peer or "")
            except AppError as refusal:
                return refusal
        if target > MAX_TARGET:
            return AppError.of(Category.URI_TOO_LONG, "too-long", "the address is too long")
        if _TOKEN.search(scope.get("query_string") or b""):
            # Addresses are logged, remembered and passed on (RFC 6750 section 2.3).
            return AppError.of(Category.INVALID, "security", "a token is no part of an address")
        if (named := _encoding(fields)) != PLAIN:
            is_fhir = scope["path"].startswith("/fhir")
            if named != TAKEN or not is_fhir:
                return unknown(is_fhir=is_fhir)
        length = fields.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length[:15]) > self._most(scope):
            return too_large()
        return None

    def _is_ours(self, named: str) -> bool:
        try:  # a list is none at all, whatever it begins with
            return "," not in named and urlsplit(f"//{named}").hostname in self._hosts
        except ValueError:  # no address at all
            return False

    def _most(self, scope: Scope) -> int:
        is_bundle = scope["path"].rstrip("/") == "/fhir"
        return self._settings.max_bundle_bytes if is_bundle else self._settings.max_body_bytes

    def _capped(self, scope: Scope, receive: Receive, fields: Fields) -> Receive:
        most, got, waited, is_complete = self._most(scope), 0, 0.0, False
        opening = None if _encoding(fields) == PLAIN else Opening(most)

        async def capped() -> Message:
            nonlocal got, waited, is_complete
            if is_complete:  # what comes now is that the caller went away
                return await receive()
            began = time.perf_counter()
            try:
                async with asyncio.timeout(BODY_SECONDS + got / BODY_RATE - waited):
                    message = await receive()
            except TimeoutError:
                scope["state"]["is_late"] = True
                raise _too_slow() from None
            waited += time.perf_counter() - began
            if message["type"] == "http.request":
                is_complete = not message.get("more_body", False)
                got += len(message.get("body", b""))
                if got > most:
                    raise too_large()
                if opening:
                    packed = message.get("body", b"")
                    message["body"] = opening.piece(packed, is_last=is_complete)
            return message

        return capped


async def _counted(scope: Scope, refusal: AppError) -> AppError:
    """The refusal, once it is counted: nobody knows who was refused."""
    if scope["path"].startswith(_ANY_HOST):
        return refusal
    request = Request(scope)
    try:
        await services_of(request).record_stranger(request, str(refusal.category))
    except DatabaseBusy:
        return unavailable()
    return refusal


def _encoding(fields: Fields) -> str:
    return fields.get("content-encoding", PLAIN).lower()


def _too_slow() -> AppError:
    return AppError.of(Category.TOO_SLOW, "timeout", "the body did not arrive in time")
