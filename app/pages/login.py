"""Signing in and out."""

from __future__ import annotations

from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.core.errors import AppError, Category
from app.pages.browser import Browser, local
from app.pages.route import PageRoute
from app.routers.forms import query_of
from app.security.ports import EventName, FetchRefused, SecurityEvent
from app.security.sessions import ENROLMENT_OWED, SECOND_FACTOR_OWED, SignedIn
from app.security.sign_in import Opened, WrongSecret

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/pages/style.css")
async def style() -> Response:
    """The one style sheet."""
    text = files("app.pages").joinpath("static", "style.css").read_bytes()
    return Response(text, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})


@router.get("/pages/passkey.js")
async def script() -> Response:
    """The one script, on the pages of the second step only."""
    text = files("app.pages").joinpath("static", "passkey.js").read_bytes()
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(text, media_type="text/javascript", headers=headers)


@router.get("/")
async def home(request: Request) -> Response:
    """The front door: in, or to the sign-in."""
    browser = await Browser.of(request)
    return browser.go("/account" if browser.person else "/login?next=/account")


@router.get("/login")
async def login_page(request: Request) -> Response:
    """Asks for username and password."""
    browser = await Browser.of(request)
    return await _form(browser, local(request.query_params.get("next")))


@router.post("/login")
async def login(request: Request) -> Response:
    """Opens a session, in place of what there was before."""
    browser = await Browser.of(request)
    fields = await browser.form()
    destination = local(fields.get("next"))
    try:
        opened = await browser.server.sign_in.with_password(
            fields.get("username", ""),
            fields.get("password", ""),
            caller=browser.caller,
            before=browser.signed_in,
        )
    except WrongSecret:
        return await _form(browser, destination, problem="wrong", status=401)
    except AppError as refusal:
        if refusal.category is not Category.THROTTLED:
            raise
        return _throttled(
            await _form(browser, destination, problem="throttled", status=429), refusal
        )
    return _opened(browser, opened, destination)


@router.get("/login/second")
async def second_page(request: Request) -> Response:
    """Asks for the second factor."""
    browser = await Browser.of(request)
    destination = local(request.query_params.get("next"))
    if browser.signed_in is None or browser.signed_in.session.pending != SECOND_FACTOR_OWED:
        return browser.go("/login?" + urlencode({"next": destination}))
    passkey = await _passkey(browser, browser.signed_in)
    return browser.page("second.html", next=destination, problem=None, passkey=passkey)


@router.post("/login/second")
async def second(request: Request) -> Response:
    """Completes a session by a code."""
    browser = await Browser.of(request)
    fields = await browser.form()
    destination = local(fields.get("next"))
    signed_in = browser.signed_in
    if signed_in is None or signed_in.session.pending != SECOND_FACTOR_OWED:
        return browser.go("/login?" + urlencode({"next": destination}))
    values: dict[str, Any] = {
        "next": destination,
        "passkey": await _passkey(browser, signed_in),
    }
    try:
        opened = await browser.server.sign_in.with_code(
            signed_in, fields.get("code", ""), caller=browser.caller
        )
    except WrongSecret:
        return browser.page("second.html", status=401, problem="wrong-code", **values)
    except AppError as refusal:
        if refusal.category is not Category.THROTTLED:
            raise
        page = browser.page("second.html", status=429, problem="throttled", **values)
        return _throttled(page, refusal)
    return _opened(browser, opened, destination)


@router.get("/login/elsewhere")
async def elsewhere(request: Request) -> Response:
    """Sends somebody to their clinic's identity provider."""
    browser = await Browser.of(request)
    destination = local(request.query_params.get("next"))
    tenant = await _clinic(browser, destination)
    try:
        if tenant is None:
            raise WrongSecret
        address = await browser.server.federation.begin(
            tenant,
            request.query_params.get("provider", ""),
            destination=destination,
            browser=browser.secret,
        )
    except (WrongSecret, FetchRefused):
        return await _form(browser, destination, problem="elsewhere-failed", status=502)
    return browser.go(address)


@router.get("/login/callback")
async def callback(request: Request) -> Response:
    """Takes somebody back from their clinic's identity provider."""
    browser = await Browser.of(request)
    try:
        opened, destination = await browser.server.federation.finish(
            query_of(request),
            browser=browser.secret,
            caller=browser.caller,
            before=browser.signed_in,
        )
    except WrongSecret:
        return await _form(browser, "/", problem="elsewhere-failed", status=401)
    return _opened(browser, opened, destination)


@router.post("/logout")
async def logout(request: Request) -> Response:
    """Ends the session."""
    browser = await Browser.of(request)
    await browser.form()
    await sign_out(browser)
    return browser.go("/login")


async def sign_out(browser: Browser) -> None:
    """Ends the browser's session, if it has one."""
    signed_in, server = browser.signed_in, browser.server
    if signed_in is not None:
        async with server.units.write() as unit:
            await server.keeper.end(unit.accounts, signed_in)
            await server.audit.record(
                SecurityEvent(
                    EventName.LOGOUT,
                    at=server.clock.now(),
                    outcome="success",
                    tenant=signed_in.account.tenant,
                    subject=signed_in.account.account_id,
                    address=browser.caller.address,
                    request_id=browser.caller.request_id,
                ),
                unit=unit,
            )
    browser.forget()


async def _passkey(browser: Browser, person: SignedIn) -> str:
    """``get`` where the person has a passkey to use."""
    account = person.account
    async with browser.server.units.read() as unit:
        known = await unit.accounts.factors.passkeys(account.tenant, account.account_id)
    return "get" if known and browser.server.passkeys.is_offered else ""


async def _form(
    browser: Browser, destination: str, *, problem: str | None = None, status: int = 200
) -> Response:
    tenant = await _clinic(browser, destination)
    offered = await browser.server.federation.offered(tenant) if tenant is not None else ()
    return browser.page(
        "login.html", status=status, next=destination, problem=problem, providers=offered
    )


async def _clinic(browser: Browser, destination: str) -> int | None:
    """The clinic of the program that somebody comes from, where they come from one."""
    client_id = dict(parse_qsl(urlsplit(destination).query)).get("client_id", "")
    async with browser.server.units.read() as unit:
        known = await unit.accounts.clients.registrations(client_id)
    return known[0].tenant if len(known) == 1 else None


def _opened(browser: Browser, opened: Opened, destination: str) -> Response:
    browser.keep(opened.cookie)
    if opened.pending == SECOND_FACTOR_OWED:
        return browser.go("/login/second?" + urlencode({"next": destination}))
    if opened.pending == ENROLMENT_OWED:
        return browser.go("/account/second?" + urlencode({"next": destination}))
    return browser.go(destination)


def _throttled(page: Response, refusal: AppError) -> Response:
    page.headers["Retry-After"] = str(refusal.retry_after or 1)
    return page
