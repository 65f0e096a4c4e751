"""The authorization endpoint: who signs in, about which patient, and do they allow it.

SMART App Launch 2.2. The whole request travels with each step and is checked anew at each, so
there is nothing to keep between them; approving is what first writes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.core.clock import SECOND
from app.core.errors import AppError
from app.pages.browser import Browser, origin_of
from app.pages.patients import Found, find, named
from app.pages.route import PageRoute
from app.pages.texts import TEXTS, TYPES
from app.repositories.accounts_grants import Launch
from app.routers.forms import form_of, query_of
from app.security.oauth import authorization
from app.security.oauth.authorization import AuthorizationRequest, NotRedirectable, Redirectable
from app.security.oauth.granting import Context
from app.security.scopes import ResourceScope, Scopes
from app.security.sessions import SignedIn

router = APIRouter(prefix="/oauth", route_class=PageRoute, include_in_schema=False)
_CARRIED = "request."
_JUST_NOW = 60


@dataclass(frozen=True, slots=True)
class _Step:
    """A request before a signed-in person, and the launch that it names."""

    browser: Browser
    parameters: Mapping[str, str]
    request: AuthorizationRequest
    person: SignedIn
    launch: Launch | None


@router.get("/authorize")
async def authorize(request: Request) -> Response:
    """Checks the request and begins where the person stands."""
    browser = await Browser.of(request)
    step = await _step(browser, _query(request))
    if isinstance(step, Response):
        return step
    own = (step.person.account.fhir_user or "").removeprefix("Patient/")
    if step.request.granted_to(step.person.account.role, patient=own) and not _needs(step):
        return _approval(step, patient=None)
    if (step.person.account.fhir_user or "").startswith("Patient/"):
        return _approval(step, patient=Found(own, step.person.account.name, ""))
    if step.launch is not None and step.launch.patient is not None:
        return _approval(step, patient=await _visible(step, step.launch.patient))
    return await _choice(step, "")


@router.post("/authorize")
async def authorize_post(request: Request) -> Response:
    """The same by a form (SMART ``authorize-post``): goes on as the address that says it."""
    browser = await Browser.of(request)
    try:
        parameters = await form_of(request)
    except AppError as error:
        raise NotRedirectable("form") from error
    return browser.go("/oauth/authorize?" + urlencode(parameters))


@router.post("/choose")
async def choose(request: Request) -> Response:
    """Finds patients, or takes the one that was chosen."""
    _browser, fields, step = await _answered(request)
    if isinstance(step, Response):
        return step
    if "without" in fields:
        return _approval(step, patient=None)
    if "patient" in fields:
        return _approval(step, patient=await _visible(step, fields["patient"]))
    return await _choice(step, fields.get("name", ""))


@router.post("/approve")
async def approve(request: Request) -> Response:
    """Makes the code, or tells the client that the person declined."""
    browser, fields, step = await _answered(request)
    if isinstance(step, Response):
        return step
    granting = browser.server.granting
    if fields.get("decision") != "allow":
        return browser.go(await granting.deny(step.request, step.person, caller=browser.caller))
    patient = await _patient(step, fields.get("patient"))
    context = Context(
        patient=patient,
        encounter=step.launch.encounter if step.launch else None,
        intent=step.launch.intent if step.launch else None,
    )
    return browser.go(
        await granting.approve(step.request, step.person, context=context, caller=browser.caller)
    )


async def _answered(request: Request) -> tuple[Browser, Mapping[str, str], _Step | Response]:
    """A form of ours, with the request that it carries."""
    browser = await Browser.of(request)
    fields = await browser.form()
    carried = {
        name.removeprefix(_CARRIED): value
        for name, value in fields.items()
        if name.startswith(_CARRIED)
    }
    own = {name: value for name, value in fields.items() if not name.startswith(_CARRIED)}
    return browser, own, await _step(browser, carried, answered=True)


async def _step(
    browser: Browser, parameters: Mapping[str, str], *, answered: bool = False
) -> _Step | Response:
    """The request before its person, or the way to sign in first."""
    server = browser.server
    async with server.units.read() as unit:
        registered = await unit.accounts.clients.registrations(parameters.get("client_id", ""))
        own = browser.person.account.tenant if browser.person else None
        client = authorization.registration(parameters, registered, tenant=own)
        tenant = await unit.accounts.clients.tenant(client.tenant) if client else None
    to = authorization.destination(parameters, client=client, tenant=tenant)
    request = authorization.checked(parameters, to, audience=server.audience)
    person = browser.person
    known = {name: parameters[name] for name in authorization.PARAMETERS if name in parameters}
    if person is None or (not answered and _too_long_ago(request, person, server.clock.now())):
        if "none" in request.prompts:
            raise Redirectable(to, "login_required", "nobody is signed in")
        destination = "/oauth/authorize?" + urlencode(known)
        return browser.go("/login?" + urlencode({"next": destination}))
    if "none" in request.prompts:
        raise Redirectable(to, "interaction_required", "the person is always asked")
    if person.account.tenant != request.client.tenant:
        return browser.page(
            "message.html", status=403, title="title-problem", text="other-clinic", link=None
        )
    return _Step(browser, known, request, person, await server.granting.launch(request))


def _too_long_ago(request: AuthorizationRequest, person: SignedIn, now: int) -> bool:
    age = (now - person.session.auth_time) // SECOND
    if "login" in request.prompts and age > _JUST_NOW:
        return True
    return request.max_age is not None and age > max(request.max_age, _JUST_NOW)


def _needs(step: _Step) -> bool:
    """Whether what is asked is about one patient."""
    granted = step.request.granted_to(step.person.account.role, patient="")
    named_by_launch = step.launch is not None and step.launch.patient is not None
    return granted.needs_patient() or named_by_launch


async def _patient(step: _Step, chosen: str | None) -> str | None:
    """The patient in context: the person, the launch's, or one they chose and may see."""
    fhir_user = step.person.account.fhir_user or ""
    if not _needs(step):
        return None
    if fhir_user.startswith("Patient/"):
        return fhir_user.removeprefix("Patient/")
    if step.launch is not None and step.launch.patient is not None:
        chosen = step.launch.patient
    return (await _visible(step, chosen)).id if chosen else None


async def _visible(step: _Step, patient: str) -> Found:
    found = await named(step.browser, step.person, patient)
    if found is None:
        raise Redirectable(
            step.request.destination, "access_denied", "the patient cannot be chosen"
        )
    return found


async def _choice(step: _Step, name: str) -> Response:
    role = step.person.account.role
    return step.browser.page(
        "choose.html",
        client=step.request.client.name,
        carried=step.parameters,
        name=name,
        patients=await find(step.browser, step.person, name),
        may_skip=bool(step.request.granted_to(role, patient=None).resources),
    )


def _approval(step: _Step, *, patient: Found | None) -> Response:
    granted = step.request.granted_to(
        step.person.account.role, patient=patient.id if patient else None
    )
    if not granted:
        raise Redirectable(
            step.request.destination, "invalid_scope", "none of the scopes can be granted"
        )
    browser = step.browser
    return browser.page(
        "approve.html",
        # Browsers hold a form to its policy across the redirect that answers it.
        allow=origin_of(step.request.destination.redirect_uri),
        client=step.request.client.name,
        lines=_lines(granted, browser.language),
        lasts=_lasts(granted),
        patient=patient.id if patient else None,
        patient_name=patient.name if patient else None,
        carried=step.parameters,
    )


def _lasts(granted: Scopes) -> str:
    if "offline_access" in granted:
        return "lasts-offline"
    return "lasts-online" if "online_access" in granted else "lasts-once"


def _lines(granted: Scopes, language: str) -> list[str]:
    """What is granted, in words."""
    lines = [_line(scope, language) for scope in granted.resources]
    if "openid" in granted or "fhirUser" in granted:
        lines.insert(0, TEXTS["knows-you"][language])
    return list(dict.fromkeys(lines))


def _line(scope: ResourceScope, language: str) -> str:
    reads, writes = set(scope.actions) & set("rs"), set(scope.actions) & set("cud")
    verb = "can-read-write" if reads and writes else "can-write" if writes else "can-read"
    if scope.type == "*":
        what = TEXTS["everything-patient" if scope.context == "patient" else "everything"]
    else:
        what = TYPES.get(scope.type, {language: scope.type})
    part = f" {TEXTS['partly'][language]}" if scope.constraints else ""
    return f"{TEXTS[verb][language]}: {what[language]}{part}"


def _query(request: Request) -> Mapping[str, str]:
    try:
        return query_of(request)
    except AppError as error:
        raise NotRedirectable("query") from error
