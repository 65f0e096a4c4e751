"""What staff do with a form that waits for answers: hand a device over, or enter what is on paper.

``/alliance/task/{id}/device`` ends the session of whoever is signed in and leaves the form alone
on the screen, by a link for a shared device. ``/alliance/task/{id}/own`` leads a therapist to a
form of their own. ``/alliance/task/{id}/paper`` takes answers that were given on paper: the client
stays their source, the one who enters is their author, and they are dated when they were given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.core.clock import SECOND, format_instant
from app.core.errors import AppError, Category
from app.domain.withholding import PRIVATE
from app.fhir import json, primitives
from app.fhir.json import Tree
from app.fhir.registry import Interaction
from app.interactions.refusals import not_found
from app.pages.alliance import Look
from app.pages.answer import filled
from app.pages.browser import Browser
from app.pages.login import sign_out
from app.pages.route import PageRoute
from app.routers.dependencies import services_of
from app.services.answering import Form

router = APIRouter(prefix="/alliance/task", route_class=PageRoute, include_in_schema=False)

_AN_HOUR = 3600 * SECOND


@router.post("/{task}/device")
async def hand_over(request: Request, task: str) -> Response:
    """The form alone on this device, with nobody signed in any more."""
    browser, address = await _link(request, task, kiosk=True)
    if browser.person is not None:
        await sign_out(browser)
    return browser.go(address)


@router.post("/{task}/own")
async def own(request: Request, task: str) -> Response:
    """A therapist's own form."""
    browser, address = await _link(request, task, kiosk=False)
    return browser.go(address)


@router.get("/{task}/paper")
async def paper(request: Request, task: str) -> Response:
    """The form as staff fill it in from paper."""
    browser = await Browser.of(request)
    if browser.person is None:
        return browser.sign_in(f"/alliance/task/{task}/paper")
    form = await _form(Look(browser, browser.person), task)
    return _page(browser, form, {})


@router.post("/{task}/paper")
async def enter(request: Request, task: str) -> Response:
    """Stores what was on paper; the task that asked ends by itself."""
    browser = await Browser.of(request)
    fields = await browser.form()
    if browser.person is None:
        return browser.sign_in(f"/alliance/task/{task}/paper")
    look = Look(browser, browser.person)
    form = await _form(look, task)
    answered = fields.get("answered", "")
    now = browser.server.clock.now()
    if not primitives.is_date(answered) or primitives.date_range(answered)[0] > now:
        return _page(browser, form, fields, problem="paper-when")
    services = services_of(request)
    tree = services.engine.services.answering.response(
        form,
        fields,
        language=fields.get("language", browser.language),
        on_paper=answered,
        by=browser.person.account.fhir_user,
    )
    if "item" not in tree:
        return _page(browser, form, fields, problem="answer-nothing")
    try:
        await look.run(
            "QuestionnaireResponse", interaction=Interaction.CREATE, body=json.dumps(tree)
        )
    except AppError as refusal:
        if refusal.category is not Category.UNPROCESSABLE:
            raise
        return _page(browser, form, fields, problem="answer-wrong")
    services.wake()
    return browser.page("message.html", title="paper-title", text="paper-kept", link="/alliance")


async def _link(request: Request, task: str, *, kiosk: bool) -> tuple[Browser, str]:
    """The page of a link to the task's form."""
    browser = await Browser.of(request)
    await browser.form()
    if browser.person is None:
        return browser, "/login"
    expires = format_instant(browser.server.clock.now() + _AN_HOUR)
    parameters: Tree = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "expires", "valueDateTime": expires},
            {"name": "kiosk", "valueBoolean": kiosk},
        ],
    }
    look = Look(browser, browser.person)
    (made,) = await look.operation("Task", task, "issue-link", body=json.dumps(parameters))
    return browser, f"{urlsplit(made['valueUrl']).path}?lang={browser.language}"


async def _form(look: Look, task: str) -> Form:
    """What a task that the person sees asks of a client, but what no therapist is to read."""
    stored = (await look.run("Task", id=task)).stored
    tree = json.parse_resource(stored.text) if stored else {}
    services = services_of(look.browser.request)
    async with services.units.read(look.person.account.tenant) as unit:
        form = await services.engine.services.answering.form(
            unit, tree, tenant=look.person.account.tenant
        )
    if form is None or form.who != form.subject:
        raise not_found()
    return replace(form, questionnaire=_without_private(form.questionnaire))


def _without_private(questionnaire: Tree) -> Tree:
    items = [item for item in questionnaire.get("item", ()) if item["linkId"] != PRIVATE]
    return {**questionnaire, "item": [_without_private(item) for item in items]}


def _page(
    browser: Browser, form: Form, fields: Mapping[str, str], *, problem: str | None = None
) -> Response:
    today = format_instant(browser.server.clock.now())[:10]
    return browser.page(
        "paper.html",
        status=422 if problem else 200,
        **filled(form, fields, browser.language),
        answered=fields.get("answered", ""),
        latest=today,
        problem=problem,
    )
