"""One browser's request: its session, its language, its forms, and the page that answers it.

Every form carries a token bound to the browser and its session; cookies are ``__Host-`` and
Secure wherever the origin is https. Pages run no script and load nothing from elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.errors import AppError, Category
from app.pages.texts import DIRECTIONS, TEXTS
from app.routers.forms import form_of
from app.routers.languages import spoken
from app.routers.oauth import caller_of, server_of
from app.security import jose
from app.security.authentication import RECENT
from app.security.oauth.server import AuthorizationServer
from app.security.oauth.token import Caller
from app.security.sessions import ABSOLUTE, SignedIn

_SECONDS: Final = 1_000_000
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)


class FormRefused(AppError):
    """A form that this browser was not given."""

    def __init__(self) -> None:
        AppError.__init__(self, Category.FORBIDDEN, ())


@dataclass(slots=True)
class Browser:
    """A request from a browser; cookies to set are kept until the answer."""

    request: Request
    server: AuthorizationServer
    signed_in: SignedIn | None
    language: str
    _form_cookie: str
    _session_cookie: str
    _cookies: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def of(cls, request: Request) -> Browser:
        """Reads the cookies and finds the session."""
        server = server_of(request)
        session = request.cookies.get(_name("session", server), "")
        signed_in = await _session(server, session)
        given = request.cookies.get(_name("form", server), "")
        browser = cls(
            request=request,
            server=server,
            signed_in=signed_in,
            language=_language(request, signed_in),
            _form_cookie=given or jose.encode(server.ids.random(18)),
            _session_cookie=session if signed_in else "",
        )
        if not given:
            browser._cookies["form"] = browser._form_cookie
        return browser

    @property
    def caller(self) -> Caller:
        """Where the request came from, for the audit log."""
        return caller_of(self.request)

    @property
    def person(self) -> SignedIn | None:
        """The session, where nothing is owed any more."""
        return self.signed_in if self.signed_in and self.signed_in.is_complete else None

    @property
    def proved_recently(self) -> bool:
        """Whether the session began so lately that a dangerous act may follow (RFC 9470)."""
        if self.signed_in is None:
            return False
        return self.server.clock.now() - self.signed_in.session.auth_time <= RECENT * _SECONDS

    @property
    def secret(self) -> str:
        """What only this browser knows."""
        return self._form_cookie

    @property
    def token(self) -> str:
        """What a form of this browser must carry."""
        bound = f"{self._form_cookie}|{self._session_cookie}".encode()
        return hmac.new(self.server.csrf_key, bound, hashlib.sha256).hexdigest()

    async def form(self) -> Mapping[str, str]:
        """The fields of a form that this server gave this browser, or ``FormRefused``."""
        origin = self.request.headers.get("origin")
        if origin not in (None, "null", self.server.issuer):
            raise FormRefused
        fields = dict(await form_of(self.request))
        if not hmac.compare_digest(fields.pop("token", "").encode(), self.token.encode()):
            raise FormRefused
        return fields

    def keep(self, cookie: str) -> None:
        """Gives the browser a new session; the forms of the old one stop working."""
        self._cookies["session"] = cookie
        self._cookies["form"] = jose.encode(self.server.ids.random(18))

    def forget(self) -> None:
        """Takes the session away."""
        self._cookies["session"] = ""

    def forget_all(self) -> None:
        """Takes everything away that this server gave the browser."""
        self._cookies |= {"session": "", "form": "", "lang": ""}

    def page(self, template: str, *, status: int = 200, allow: str = "", **values: Any) -> Response:
        """A page; ``allow`` is one more address that its form may lead to."""
        text = _environment().get_template(template)
        body = text.render(
            t=lambda key: TEXTS[key][self.language],
            language=self.language,
            direction=DIRECTIONS[self.language],
            token=self.token,
            path=self.request.scope["path"],
            person=self.person,
            **values,
        )
        response = HTMLResponse(body, status_code=status)
        policy = _POLICY + (f" {allow}" if allow else "")
        if values.get("passkey"):
            policy += "; script-src 'self'; connect-src 'self'"
        response.headers["Content-Security-Policy"] = policy
        # Without it a browser says nothing of the origin that a form was sent from.
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        return self.answer(response)

    def go(self, address: str) -> Response:
        """Sends the browser on, always by GET."""
        return self.answer(RedirectResponse(address, status_code=303))

    def sign_in(self, destination: str) -> Response:
        """Sends the browser to the sign-in, and from there to where it wanted to be."""
        return self.go("/login?" + urlencode({"next": destination}))

    def answer(self, response: Response) -> Response:
        """An answer with the cookies that are to be set; nobody keeps it."""
        language = self.request.query_params.get("lang", "")
        if language in DIRECTIONS:
            self._cookies.setdefault("lang", language)
        for name, value in self._cookies.items():
            response.set_cookie(
                _name(name, self.server),
                value,
                max_age=ABSOLUTE // _SECONDS if value else 0,
                path="/",
                secure=_is_secure(self.server),
                httponly=True,
                samesite="lax",
            )
        response.headers["Cache-Control"] = "no-store"
        return response


def local(address: str | None, otherwise: str = "/") -> str:
    """An address on this server, as a path; anything else becomes ``otherwise``."""
    if not address or not address.startswith("/") or address.startswith(("//", "/\\")):
        return otherwise
    if not address.isprintable() or "\\" in address or len(address) > 8192:
        return otherwise
    return address


def origin_of(address: str) -> str:
    """What a Content-Security-Policy calls the place that a redirect address leads to."""
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"


async def _session(server: AuthorizationServer, cookie: str) -> SignedIn | None:
    if not 20 <= len(cookie) <= 100:
        return None
    async with server.units.read() as unit:
        signed_in = await server.keeper.find(unit.accounts, cookie)
    if signed_in is not None and server.keeper.is_stale(signed_in):
        async with server.units.write() as unit:
            await server.keeper.touch(unit.accounts, signed_in)
    return signed_in


def _language(request: Request, signed_in: SignedIn | None) -> str:
    kept = request.cookies.get(_name("lang", server_of(request)), "")
    asked = request.query_params.get("lang") or kept
    if asked in DIRECTIONS:
        return asked
    if signed_in is not None and signed_in.account.locale in DIRECTIONS:
        return signed_in.account.locale
    return spoken(request)


def _is_secure(server: AuthorizationServer) -> bool:
    return server.issuer.startswith("https:")


def _name(cookie: str, server: AuthorizationServer) -> str:
    return f"__Host-{cookie}" if _is_secure(server) else f"rapport-{cookie}"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("app.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
