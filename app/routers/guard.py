"""The edge: what every request passes before a route sees it, and every answer on its way out.

Bodies, addresses and encodings have limits that end the request; every answer carries its
``X-Request-Id`` and headers that keep it out of caches, frames and other origins.
"""

from __future__ import annotations

import re
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.config import Settings
from app.core.errors import AppError, Category
from app.core.ids import IdSource
from app.routers.errors import fault, respond

log = structlog.get_logger("rapport.access")

MAX_TARGET = 16 * 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9\-._~]{1,64}", re.ASCII)
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class Guard:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, *, settings: Settings, ids: IdSource) -> None:
        self._app = app
        self._settings = settings
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else self._ids.new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                out = MutableHeaders(scope=message)
                out["X-Request-Id"] = request_id
                for name, value in self._headers().items():
                    out.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await respond(refusal)(scope, receive, answer)
        else:
            try:
                await self._app(scope, self._capped(scope, receive), answer)
            except Exception as error:
                if status:
                    raise
                response = respond(error) if isinstance(error, AppError) else fault(error)
                await response(scope, receive, answer)
        log.info(
            "request",
            method=scope["method"],
            route=_route(scope["path"]),
            status=status,
            ms=round((time.perf_counter() - started) * 1000, 1),
            request_id=request_id,
        )

    def _headers(self) -> dict[str, str]:
        if self._settings.origin.startswith("https:"):
            return {**_HEADERS, "Strict-Transport-Security": "max-age=31536000; includeSubDomains"}
        return _HEADERS

    def _refusal(self, scope: Scope, headers: Headers) -> AppError | None:
        target = len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
        if target > MAX_TARGET:
            return AppError.of(Category.URI_TOO_LONG, "too-long", "the address is too long")
        if headers.get("content-encoding", "identity").lower() != "identity":
            return AppError.of(
                Category.UNSUPPORTED_MEDIA, "not-supported", "bodies are taken without encoding"
            )
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length[:15]) > self._most(scope):
            return _too_large()
        return None

    def _most(self, scope: Scope) -> int:
        is_bundle = scope["path"].rstrip("/") == "/fhir"
        return self._settings.max_bundle_bytes if is_bundle else self._settings.max_body_bytes

    def _capped(self, scope: Scope, receive: Receive) -> Receive:
        most, got = self._most(scope), 0

        async def capped() -> Message:
            nonlocal got
            message = await receive()
            if message["type"] == "http.request":
                got += len(message.get("body", b""))
                if got > most:
                    raise _too_large()
            return message

        return capped


def _too_large() -> AppError:
    return AppError.of(Category.TOO_LARGE, "too-long", "the body is too large")


def _route(path: str) -> str:
    """The path without ids, which may name a person's record, and without a link's token."""
    parts = path.split("/")
    first = 1 if parts[1] in ("answer", "alliance") else 2
    return "/".join(
        "-" if place > first and not part.startswith(("_", "$")) else part
        for place, part in enumerate(parts)
    )[:120]
