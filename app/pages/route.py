"""A route whose every answer is a page, refusals included."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from app.core.errors import AppError, Category
from app.db.engine import DatabaseBusy
from app.pages.browser import Browser, FormRefused
from app.routers.dependencies import services_of
from app.security.oauth.authorization import NotRedirectable, Redirectable
from app.security.sessions import principal_of

_ACCOUNT = "/account/"
_STATUS = {
    Category.FORBIDDEN: 403,
    Category.NOT_FOUND: 404,
    Category.GONE: 410,
    Category.TOO_LARGE: 413,
    Category.THROTTLED: 429,
    Category.UNAVAILABLE: 503,
}


class PageRoute(APIRoute):
    """Turns refusals into pages; a client's flaws go to the client."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The handler, with refusals turned into pages."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Redirectable as flaw:
                browser = await Browser.of(request)
                told = {"error": flaw.error, "error_description": flaw.description}
                return browser.go(flaw.destination.address(browser.server.issuer, told))
            except AppError as refusal:
                browser = await Browser.of(request)
                try:
                    await _keep(browser, refusal)
                except DatabaseBusy:
                    return _busy()
                status = 400 if isinstance(refusal, NotRedirectable) else _status(refusal)
                page = browser.page(
                    "message.html",
                    status=status,
                    title="title-problem",
                    text=_text(refusal),
                    link="/login" if browser.request.scope["path"].startswith(_ACCOUNT) else None,
                )
                if refusal.retry_after is not None:
                    page.headers["Retry-After"] = str(refusal.retry_after)
                return page
            except DatabaseBusy:
                return _busy()

        return answer


def _busy() -> Response:
    return Response("503", 503, {"Retry-After": "2"}, "text/plain")


async def _keep(browser: Browser, refusal: AppError) -> None:
    """Keeps that a page was refused, to whom it is known."""
    services = services_of(browser.request)
    if browser.person is None:
        await services.record_stranger(browser.request, str(refusal.category))
        return
    now = services.clock.now()
    caller = principal_of(browser.person, issuer=browser.server.issuer, now=now)
    await services.record_refusal(browser.request, caller, refusal)


def _status(refusal: AppError) -> int:
    return _STATUS.get(refusal.category, 400)


def _text(refusal: AppError) -> str:
    if isinstance(refusal, FormRefused):
        return "form-expired"
    if refusal.category is Category.THROTTLED:
        return "throttled"
    if refusal.category is Category.GONE:
        return "link-gone"
    if isinstance(refusal, NotRedirectable):
        return "bad-client"
    return "nothing-here" if refusal.category is Category.NOT_FOUND else "not-done"
