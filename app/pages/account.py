"""A person's own account: second step, forgotten password, invitation."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.core.clock import format_instant
from app.core.errors import AppError, Category
from app.pages.browser import Browser, local
from app.pages.route import PageRoute
from app.security import totp
from app.security.links import INVITATION
from app.security.ports import EventName, SecurityEvent
from app.security.sessions import SECOND_FACTOR_OWED, SignedIn
from app.security.sign_in import Offer, WrongSecret

router = APIRouter(prefix="/account", route_class=PageRoute, include_in_schema=False)
_PRODUCT = "Rapport"


@router.get("")
async def account(request: Request) -> Response:
    """What a person may set for themselves."""
    browser = await Browser.of(request)
    if browser.person is None:
        return browser.sign_in("/account")
    server = browser.server
    async with server.units.read() as unit:
        own = browser.person.account
        has_second = await unit.accounts.factors.enrolled(own.tenant, own.account_id)
        given = await unit.accounts.grants.of_person(
            own.tenant, own.account_id, now=server.clock.now()
        )
    programs = [
        {"id": one.grant_id, "name": one.client_name, "until": format_instant(one.expires)[:10]}
        for one in given
    ]
    return browser.page("home.html", has_second=has_second, programs=programs)


@router.post("/programs")
async def take_back(request: Request) -> Response:
    """Takes back what a program was allowed; its tokens and its Subscriptions end at once."""
    browser = await Browser.of(request)
    fields = await browser.form()
    if browser.person is None:
        return browser.sign_in("/account")
    server, own = browser.server, browser.person.account
    now = server.clock.now()
    async with server.units.write() as unit:
        given = await unit.accounts.grants.of_person(own.tenant, own.account_id, now=now)
        if fields.get("program") in [one.grant_id for one in given]:
            given_up = (own.tenant, fields["program"])
            await unit.accounts.grants.revoke(*given_up, at=now)
            await unit.accounts.left_behind.end_of_grant(*given_up, at=now)
            await server.audit.record(
                SecurityEvent(
                    EventName.TOKEN_REVOKED,
                    at=now,
                    outcome="success",
                    tenant=own.tenant,
                    subject=own.account_id,
                    address=browser.caller.address,
                    request_id=browser.caller.request_id,
                ),
                unit=unit,
            )
    return browser.go("/account")


@router.get("/second")
async def enrolment(request: Request) -> Response:
    """Shows a new key for an authenticator app."""
    browser = await Browser.of(request)
    destination = local(request.query_params.get("next"), "/account")
    signed_in = await may_enrol(browser)
    if signed_in is None:
        return browser.sign_in(request.scope["path"])
    offer = browser.server.sign_in.offer_totp(signed_in)
    return _enrolment(browser, signed_in, offer, destination)


@router.post("/second")
async def enrol(request: Request) -> Response:
    """Confirms the key by its first code, and shows the recovery codes once."""
    browser = await Browser.of(request)
    fields = await browser.form()
    destination = local(fields.get("next"), "/account")
    signed_in = await may_enrol(browser)
    if signed_in is None:
        return browser.sign_in(request.scope["path"])
    offer = browser.server.sign_in.offered_totp(signed_in, fields.get("offer", ""))
    if offer is None:
        return browser.go(request.scope["path"])
    try:
        opened, codes = await browser.server.sign_in.confirm_totp(
            signed_in, offer, fields.get("code", ""), caller=browser.caller
        )
    except WrongSecret:
        return _enrolment(browser, signed_in, offer, destination, problem="wrong-code", status=401)
    except AppError as refusal:
        if refusal.category is not Category.THROTTLED:
            raise
        return _enrolment(browser, signed_in, offer, destination, problem="throttled", status=429)
    browser.keep(opened.cookie)
    return browser.page("recovery.html", codes=codes, next=destination)


@router.get("/reset")
async def reset_page(request: Request) -> Response:
    """Asks whose password was forgotten."""
    return (await Browser.of(request)).page("reset.html")


@router.post("/reset")
async def reset(request: Request) -> Response:
    """Sends a link to who has an address; says the same of everybody."""
    browser = await Browser.of(request)
    fields = await browser.form()
    await browser.server.links.request_reset(fields.get("username", ""), caller=browser.caller)
    return browser.page("message.html", title="reset-title", text="reset-sent", link="/login")


@router.get("/link/{secret}")
async def link_page(request: Request, secret: str) -> Response:
    """Asks for a new password; looking at the page uses nothing up."""
    browser = await Browser.of(request)
    sent = await browser.server.links.find(secret)
    return browser.page(
        "password.html",
        problem=None,
        username=sent.account.username,
        invited=sent.link.purpose == INVITATION,
    )


@router.post("/link/{secret}")
async def link(request: Request, secret: str) -> Response:
    """Sets the password."""
    browser = await Browser.of(request)
    fields = await browser.form()
    sent = await browser.server.links.find(secret)
    password = fields.get("password", "")
    if password != fields.get("again"):
        problem = "password-differs"
    else:
        problem = await browser.server.links.use(secret, password, caller=browser.caller)
    if problem:
        return browser.page(
            "password.html",
            status=422,
            problem=problem,
            username=sent.account.username,
            invited=sent.link.purpose == INVITATION,
        )
    browser.forget()
    return browser.page("message.html", title="title-account", text="password-saved", link="/login")


async def may_enrol(browser: Browser) -> SignedIn | None:
    """The person, unless they are to sign in again, with the second factor that they have."""
    signed_in = browser.signed_in
    if signed_in is None or signed_in.session.pending == SECOND_FACTOR_OWED:
        return None
    if not browser.proved_recently:
        return None
    own = signed_in.account
    async with browser.server.units.read() as unit:
        enrolled = await unit.accounts.factors.enrolled(own.tenant, own.account_id)
    # Who has one adds another only in a session that was opened with it.
    return None if enrolled and "mfa" not in signed_in.session.amr.split() else signed_in


def _enrolment(
    browser: Browser,
    signed_in: SignedIn,
    offer: Offer,
    destination: str,
    *,
    problem: str | None = None,
    status: int = 200,
) -> Response:
    return browser.page(
        "enrol.html",
        status=status,
        problem=problem,
        next=destination,
        offer=offer.sealed,
        key=totp.secret_text(offer.secret),
        address=totp.address(offer.secret, account=signed_in.account.username, issuer=_PRODUCT),
        passkey="create" if browser.server.passkeys.is_offered else "",
    )
