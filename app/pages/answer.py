"""``/answer/{token}``: a form, answered without an account, on a phone or a shared device.

Opening the link does not use it up, sending answers does. The page runs no script, says nothing
of what it is about, is kept by nobody, and always offers a way out.

On a device that many use, leaving ends the link as sending does, what was begun vanishes after a
while, and the browser is told to forget all it knows of this server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.core.errors import AppError, Category
from app.db.engine import EveryTenant
from app.fhir import json
from app.fhir.registry import REGISTRY, Interaction
from app.interactions import pipeline
from app.interactions.call import Call
from app.interactions.change import Change, store
from app.interactions.context import Context
from app.pages.browser import Browser
from app.pages.route import PageRoute
from app.routers.dependencies import Services, services_of
from app.search.found import NOBODY, Whose
from app.security import scopes
from app.security.principal import PATIENT_REQUEST, TREATMENT, Principal
from app.services.answering import Answering, Asked, Form
from app.services.audit import RequestFacts
from app.services.filling import field_of, questions

router = APIRouter(prefix="/answer", route_class=PageRoute, include_in_schema=False)

_CLIENT = "answer-link"
_LINKS = EveryTenant("a link comes before the tenant that it belongs to")
_IDLE = 900  # seconds until a form that was begun on a shared device is shown empty again
_STATUS = {Category.NOT_FOUND: 404, Category.GONE: 410}


@router.get("/{token}")
async def form(request: Request, token: str) -> Response:
    """The form."""
    browser = await _visitor(request)
    services = services_of(request)
    try:
        async with services.units.read(_LINKS) as unit:
            asked = await _answering(services).open(unit, token)
            subject, _, patient = asked.form.subject.partition("/")
            looked = services.trail.success(
                "read",
                _principal(services, asked),
                _facts(services, request),
                entity=f"Task/{asked.link.task}",
                whose=Whose((patient,)) if subject == "Patient" else NOBODY,
            )
            unit.audited.extend(looked)
    except AppError as refusal:
        return await _gone(browser, refusal)
    return _page(browser, asked, {})


@router.post("/{token}")
async def send(request: Request, token: str) -> Response:
    """Stores the answers, uses the link up and ends the task: all of it or nothing."""
    browser = await _visitor(request)
    fields = await browser.form()
    services = services_of(request)
    answering = _answering(services)
    asked = None
    try:
        async with services.units.write(_LINKS, resources=4) as unit:
            asked = await answering.open(unit, token)
            if asked.link.kiosk and "leave" in fields:
                await answering.withdraw(unit, asked)
                return _forgotten(browser, "answer-left")
            tree = answering.response(asked.form, fields, language=browser.language)
            if "item" not in tree:
                return _page(browser, asked, fields, problem="answer-nothing")
            await answering.use(unit, asked)
            facts = _facts(services, request)
            context = Context(services.engine, _principal(services, asked), facts, unit)
            change = Change(
                type="QuestionnaireResponse",
                id=services.ids.new_id(),
                text=json.dumps(tree),
                tree=tree,
                previous=None,
                interaction=Interaction.CREATE,
            )
            await store(context, change, action="c")
            call = Call(interaction=Interaction.CREATE, facts=facts, type=change.type)
            pipeline.record(context, call)
    except AppError as refusal:
        if asked is None or refusal.category is not Category.UNPROCESSABLE:
            return await _gone(browser, refusal)
        return _page(browser, asked, fields, problem="answer-wrong")
    services.wake()
    if asked.link.kiosk:
        return _forgotten(browser, "answer-thanks")
    return browser.page("answered.html", text="answer-thanks", kiosk=False)


async def _visitor(request: Request) -> Browser:
    """Whoever holds the link; a session that the browser has is somebody's and of no concern."""
    browser = await Browser.of(request)
    browser.signed_in = None
    return browser


def _forgotten(browser: Browser, text: str) -> Response:
    """The last page on a shared device: whoever comes next finds nothing of this."""
    browser.forget_all()
    page = browser.page("answered.html", text=text, kiosk=True)
    page.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
    return page


def _answering(services: Services) -> Answering:
    return services.engine.services.answering


def _page(
    browser: Browser, asked: Asked, fields: Mapping[str, str], *, problem: str | None = None
) -> Response:
    page = browser.page(
        "answer.html",
        status=422 if problem else 200,
        **filled(asked.form, fields, browser.language),
        problem=problem,
        kiosk=asked.link.kiosk,
    )
    if asked.link.kiosk:
        page.headers["Refresh"] = f"{_IDLE};url={browser.request.scope['path']}"
    return page


def filled(form: Form, fields: Mapping[str, str], language: str) -> Mapping[str, Any]:
    """What ``questions.html`` shows: the questions, and what was answered so far."""
    asked = questions(form.questionnaire, language)
    return {
        "questions": asked,
        "field_of": field_of,
        "given": {each.link_id: fields.get(field_of(each.link_id), "") for each in asked},
    }


async def _gone(browser: Browser, refusal: AppError) -> Response:
    services = services_of(browser.request)
    await services.record_stranger(browser.request, f"answer link: {refusal.category}")
    status = _STATUS.get(refusal.category, 400)
    return browser.page("answered.html", text="answer-gone", status=status, kiosk=False)


def _facts(services: Services, request: Request) -> RequestFacts:
    # The address holds the token, so it is not told.
    facts = services.facts(request)
    return RequestFacts(facts.request_id, facts.address, facts.method, "/answer")


def _principal(services: Services, asked: Asked) -> Principal:
    """Whoever was asked, with the right to answer and no other."""
    kind, _, id = asked.form.who.partition("/")
    is_client = kind == "Patient"
    scope = f"{'patient' if is_client else 'user'}/QuestionnaireResponse.c"
    return Principal(
        tenant=asked.link.tenant,
        tenant_slug=asked.link.tenant_slug,
        client_id=_CLIENT,
        subject=asked.form.who,
        actor=asked.form.who,
        role="client" if is_client else "therapist",
        scopes=scopes.parse(scope, types=REGISTRY),
        patient=id if is_client else None,
        purpose=PATIENT_REQUEST if is_client else TREATMENT,
        token_id=_CLIENT,
        issuer=services.settings.origin,
        name="",
        at=services.clock.now(),
    )
