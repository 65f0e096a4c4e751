"""``/cds-services``: CDS Hooks 2.0, what a record system shows when a patient is opened.

https://cds-hooks.hl7.org/2.0/. Discovery is open; every call is signed by a registered client
for the very address that it goes to. Refusals are OperationOutcomes, as on ``/fhir``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.core.errors import AppError, Category, Issue
from app.interactions import cds as calls
from app.interactions.context import Context
from app.routers import cds_bodies, negotiation
from app.routers.cds_bodies import CardFeedback, Feedback, HookCall
from app.routers.dependencies import Services, services_of
from app.routers.fields import fields_of
from app.routers.languages import spoken
from app.security.principal import Principal
from app.services import cds, cds_uuids
from app.services.cds import CdsService
from app.services.cds_feedback import Said

router = APIRouter(prefix="/cds-services", include_in_schema=False)
_OPEN: Final = {
    "Cache-Control": "public, max-age=300",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@router.api_route("", methods=["GET", "HEAD"])
async def discovery(request: Request) -> Response:
    """Which services there are."""
    language = spoken(request)
    return JSONResponse(cds.discovery(language), headers={**_OPEN, **_in(language)})


@router.post("/{id}")
async def call(request: Request, id: str) -> Response:
    """The cards of one service."""
    return await _signed(request, id, _cards)


@router.post("/{id}/feedback")
async def feedback(request: Request, id: str) -> Response:
    """What became of cards."""
    return await _signed(request, id, _take)


_Answer = Callable[[Request, Services, Principal, CdsService], Awaitable[Response]]


async def _signed(request: Request, id: str, answer: _Answer) -> Response:
    services = services_of(request)
    caller = await services.admit_signed(request)
    try:
        negotiation.check_body_type(fields_of(request.scope).get("content-type"))
        return await answer(request, services, caller, _service(id))
    except AppError as refusal:
        await services.record_refusal(request, caller, refusal)
        raise


async def _cards(
    request: Request, services: Services, caller: Principal, service: CdsService
) -> Response:
    language = spoken(request)
    said = _checked(cds_bodies.read(await request.body(), HookCall), service).context
    hook = calls.Hook(service, said.patient_id, said.user_id, language)
    async with services.units.read(caller.tenant) as unit:
        context = Context(services.engine, caller, services.facts(request), unit)
        found = await calls.cards(context, hook, _key(services))
    return JSONResponse({"cards": list(found)}, headers=_in(language))


async def _take(
    request: Request, services: Services, caller: Principal, service: CdsService
) -> Response:
    said = [_said(each) for each in cds_bodies.read(await request.body(), Feedback).feedback]
    async with services.units.write(caller.tenant) as unit:
        context = Context(services.engine, caller, services.facts(request), unit)
        await calls.take(context, service, said, _key(services))
    return Response(status_code=200)


def _said(each: CardFeedback) -> Said:
    reason = each.override_reason.reason if each.override_reason else None
    return Said(
        card=each.card,
        outcome=each.outcome,
        at=each.outcome_timestamp,
        accepted=tuple(one.id for one in each.accepted_suggestions or ()),
        system=reason.system if reason else None,
        code=reason.code if reason else None,
    )


def _key(services: Services) -> bytes:
    """What uuids of cards are made with."""
    return services.root.derive(cds_uuids.KEY)


def _service(id: str) -> CdsService:
    service = cds.services().get(id)
    if service is None:
        raise AppError.of(Category.NOT_FOUND, "not-found", "no such service")
    return service


def _checked(asked: HookCall, service: CdsService) -> HookCall:
    """The call, if it is one of the service's hook and says what that hook says."""
    issues = []
    said = asked.context.model_dump(by_alias=True, exclude_none=True)
    if asked.hook != service.hook:
        issues.append(Issue("value", f"the service is for {service.hook}", "hook"))
    issues += [
        Issue("required", "is needed", f"context.{name}")
        for name in service.required
        if name not in said
    ]
    if issues:
        raise AppError(Category.INVALID, issues)
    return asked


def _in(language: str) -> dict[str, str]:
    return {"Content-Language": language, "Vary": "Accept-Language"}
