"""CORS: which pages elsewhere may call this server from a browser.

Discovery is open to all; else the origins of registered clients' redirect addresses, and those that
the operator names. Never with credentials: a token travels in a header that the page itself sets.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.clock import SECOND
from app.db.engine import DatabaseBusy
from app.routers.fields import fields_of
from app.security.oauth.server import AuthorizationServer

_KEPT_FOR: Final = 10 * SECOND
OPEN: Final = frozenset(
    (
        "/fhir/metadata",
        "/fhir/.well-known/smart-configuration",
        "/.well-known/smart-configuration",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/cds-services",
    )
)


class RegisteredOrigins(CORSMiddleware):
    """Allows the origins of enabled clients, read anew every few seconds."""

    _registered: frozenset[str] = frozenset()
    _read_at: int = 0

    def __init__(self, app: ASGIApp, /, **options: Any) -> None:
        super().__init__(app, **options)
        read_only = {**options, "allow_methods": ["GET", "HEAD"], "allow_origin_regex": None}
        self._to_all = CORSMiddleware(app, **{**read_only, "allow_origins": ["*"]})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes one request through."""
        if scope["type"] == "http" and scope["path"] in OPEN:
            await self._to_all(scope, receive, send)
            return
        if scope["type"] == "http" and "origin" in fields_of(scope):
            await self._refresh(scope["app"].state.authorization_server)
        await super().__call__(scope, receive, send)

    def is_allowed_origin(self, origin: str) -> bool:
        """Whether pages of this origin may read answers."""
        return origin in self._registered or super().is_allowed_origin(origin)

    async def _refresh(self, server: AuthorizationServer) -> None:
        now = server.clock.now()
        if self._read_at and abs(now - self._read_at) < _KEPT_FOR:
            return
        try:
            async with server.units.read() as unit:
                addresses = await unit.accounts.clients.redirect_uris()
        except DatabaseBusy:
            return  # what was known before still holds
        self._registered = frozenset(filter(None, map(_origin, addresses)))
        self._read_at = now


def _origin(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https"):
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower()
