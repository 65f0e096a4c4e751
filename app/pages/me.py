"""``/me``: a client's own pages. What is kept of them, who may see it, who looked.

Everything is read and written through the same door as any other request of the person, so it
is decided, recorded and signed in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.core.clock import format_instant
from app.core.errors import AppError, Category
from app.domain import consent
from app.domain.consent.writing import Choice, Kind, written
from app.fhir import json, primitives
from app.fhir.registry import Interaction
from app.interactions.tags import Tags
from app.pages import decisions
from app.pages.alliance import Look
from app.pages.browser import Browser
from app.pages.decisions import Decision
from app.pages.looks import seen_by
from app.pages.own import Own
from app.pages.results import form, results
from app.pages.route import PageRoute
from app.security.sessions import SignedIn
from app.services.signing import signature_id

router = APIRouter(prefix="/me", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def record(request: Request) -> Response:
    """What is kept."""
    browser, own = await _own(request)
    if own is None:
        return browser.sign_in("/me")
    sessions = await own.search("Encounter", ("_sort", "-date"), ("_count", "10"))
    scores = await own.search("Observation", ("_sort", "-date"), ("_count", "60"))
    answers = await own.search("QuestionnaireResponse", ("_sort", "-authored"), ("_count", "20"))
    goals = await own.search("Goal", ("_count", "20"))
    episodes = await own.search("EpisodeOfCare", ("_count", "5"))
    return browser.page(
        "me/record.html",
        tab="record",
        sessions=[(each.get("period") or {}).get("start", "")[:10] for each in sessions],
        results=list(results(scores, answers, browser.language)),
        answers=[
            (each.get("authored", "")[:10], form(each.get("questionnaire", ""), browser.language))
            for each in answers
        ],
        goals=[(each.get("description") or {}).get("text", "") for each in goals],
        courses=[each["id"] for each in episodes],
    )


@router.get("/consents")
async def consents(request: Request) -> Response:
    """Who may see it: what was decided, and what can be."""
    browser, own = await _own(request)
    if own is None:
        return browser.sign_in("/me/consents")
    return await _consents(browser, own)


@router.post("/consents")
async def decide(request: Request) -> Response:
    """Writes down a decision."""
    browser, own = await _own(request)
    fields = await browser.form()
    if own is None:
        return browser.sign_in("/me/consents")
    choice, problem = await _choice(own, fields, today=_today(browser))
    if choice is None:
        return await _consents(browser, own, problem=problem, status=422)
    names = await own.names([choice.actor] if choice.actor else [])
    facts: dict[str, Any] = {
        "patient": own.patient,
        "organization": await own.clinic(),
        "at": format_instant(browser.server.clock.now()),
        "language": browser.language,
    }
    draft = {**written(choice, words="", **facts), "id": "draft"}
    said = decisions.sentences(draft, language=browser.language, names=names, base=own.look.base)
    body = json.dumps(written(choice, words="\n".join(said), **facts))
    await own.look.run("Consent", interaction=Interaction.CREATE, body=body, identity="made")
    return browser.go("/me/consents?done=saved")


@router.post("/consents/{id}")
async def withdraw(request: Request, id: str) -> Response:
    """Takes a decision back."""
    browser, own = await _own(request)
    fields = await browser.form()
    if own is None:
        return browser.sign_in("/me/consents")
    stored = (await own.look.run("Consent", id=id)).stored
    if stored is None:
        raise AppError.of(Category.NOT_FOUND, "not-found", "no such consent")
    tree = {**json.parse_resource(stored.text), "status": "inactive"}
    try:
        await own.look.run(
            "Consent",
            interaction=Interaction.UPDATE,
            id=id,
            body=json.dumps(tree),
            if_match=Tags.of(fields.get("version", "")),
        )
    except AppError as refusal:
        if refusal.category not in (Category.PRECONDITION, Category.CONFLICT, Category.INVALID):
            raise
        return await _consents(browser, own, problem="me-changed", status=409)
    return browser.go("/me/consents?done=withdrawn")


@router.get("/looks")
async def looks(request: Request) -> Response:
    """Who looked."""
    browser, own = await _own(request)
    if own is None:
        return browser.sign_in("/me/looks")
    outcome = await own.look.run("Patient", id=own.patient, operation="accounting-of-disclosures")
    bundle = json.parse_resource(outcome.document or b"{}")
    events = [entry["resource"] for entry in bundle.get("entry", ())]
    return browser.page("me/looks.html", tab="looks", rows=seen_by(events, browser.language))


async def _own(request: Request) -> tuple[Browser, Own | None]:
    browser = await Browser.of(request)
    person: SignedIn | None = browser.person
    if person is None:
        return browser, None
    kind, _, id = (person.account.fhir_user or "").partition("/")
    if kind != "Patient" or person.account.role != "client":
        raise AppError.of(Category.FORBIDDEN, "forbidden", "this is for clients")
    return browser, Own(Look(browser, person), id)


async def _consents(
    browser: Browser, own: Own, *, problem: str | None = None, status: int = 200
) -> Response:
    trees = await own.search("Consent", ("_sort", "-_lastUpdated"), ("_count", "50"))
    said = {each["id"]: each for each in trees}
    policies = [consent.read(each, id=each["id"], version=1, base=own.look.base) for each in trees]
    actors = {
        actor
        for policy in policies
        if isinstance(policy, consent.Policy)
        for rule in policy.rules
        for actor in rule.actors
    }
    names = await own.names(actors)
    signed = await own.signatures()
    rows = [
        Decision(
            id=id,
            version=int(tree["meta"]["versionId"]),
            sentences=decisions.sentences(
                tree, language=browser.language, names=names, base=own.look.base
            ),
            since=tree.get("dateTime", "")[:10],
            counts=tree.get("status") == "active",
            signed=signature_id(id, int(tree["meta"]["versionId"])) in signed,
        )
        for id, tree in said.items()
        if tree.get("status") in ("active", "inactive")
    ]
    return browser.page(
        "me/consents.html",
        status=status,
        tab="consents",
        problem=problem,
        done=browser.request.query_params.get("done"),
        decided=sorted(rows, key=lambda row: not row.counts),
        organizations=await own.organizations(),
        people=await own.people(),
        couple=await own.couple(),
    )


async def _choice(
    own: Own, fields: Mapping[str, str], *, today: str
) -> tuple[Choice | None, str | None]:
    """What was chosen, or the key of what is wrong with it."""
    kind, actor = fields.get("kind", ""), fields.get("actor", "")
    offered: Sequence[tuple[str, str]] = ()
    match kind:
        case Kind.SHARE:
            offered = await own.organizations()
        case Kind.STOP:
            offered = [("everybody", ""), *await own.people()]
        case Kind.COUPLE:
            couple = await own.couple()
            offered = [(couple, "")] if couple else []
    if actor not in [reference for reference, _ in offered]:
        return None, "me-no-choice"
    until = fields.get("until", "").strip() or None
    if until is not None and not (primitives.is_date(until) and until >= today):
        return None, "me-no-date"
    return Choice(
        kind=Kind(kind),
        actor=None if actor == "everybody" else actor,
        full=fields.get("depth") == "full",
        emergency=fields.get("emergency") == "yes",
        until=until,
    ), None


def _today(browser: Browser) -> str:
    return format_instant(browser.server.clock.now())[:10]
