"""Passkeys: the answers that the one script of these pages asks for."""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.core.errors import AppError
from app.pages.account import may_enrol
from app.pages.browser import Browser, FormRefused
from app.pages.route import PageRoute
from app.security.sessions import SECOND_FACTOR_OWED, SignedIn
from app.security.sign_in import WrongSecret

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.post("/account/passkey/options")
async def creation_options(request: Request) -> Response:
    """What the browser needs to make a passkey."""
    browser, person = await _enrolling(request)
    return _json(browser, await browser.server.passkeys.creation_options(person.account))


@router.post("/account/passkey")
async def create(request: Request) -> Response:
    """Keeps a passkey."""
    browser, person = await _enrolling(request)
    try:
        opened = await browser.server.passkeys.create(
            person, await request.body(), name="", caller=browser.caller
        )
    except WrongSecret:
        return JSONResponse({}, status_code=401)
    browser.keep(opened.cookie)
    return _json(browser, b"{}")


@router.post("/login/passkey/options")
async def request_options(request: Request) -> Response:
    """What the browser needs to use a passkey."""
    browser, person = await _completing(request)
    return _json(browser, await browser.server.passkeys.request_options(person.account))


@router.post("/login/passkey")
async def use(request: Request) -> Response:
    """Completes a session by a passkey."""
    browser, person = await _completing(request)
    try:
        opened = await browser.server.passkeys.use(
            person, await request.body(), caller=browser.caller
        )
    except WrongSecret:
        return JSONResponse({}, status_code=401)
    except AppError as refusal:
        return JSONResponse({}, 429, {"Retry-After": str(refusal.retry_after or 1)})
    browser.keep(opened.cookie)
    return _json(browser, b"{}")


async def _enrolling(request: Request) -> tuple[Browser, SignedIn]:
    browser = await _own(request)
    person = await may_enrol(browser)
    if person is None or not browser.server.passkeys.is_offered:
        raise FormRefused
    return browser, person


async def _completing(request: Request) -> tuple[Browser, SignedIn]:
    browser = await _own(request)
    person = browser.signed_in
    if person is None or person.session.pending != SECOND_FACTOR_OWED:
        raise FormRefused
    return browser, person


async def _own(request: Request) -> Browser:
    browser = await Browser.of(request)
    token = request.headers.get("x-form-token", "")
    if not hmac.compare_digest(token.encode(), browser.token.encode()):
        raise FormRefused
    return browser


def _json(browser: Browser, body: bytes) -> Response:
    return browser.answer(Response(body, media_type="application/json"))
