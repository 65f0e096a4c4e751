"""``/cds-services``: CDS Hooks 2.0, what a record system shows when a patient is opened.

https://cds-hooks.hl7.org/2.0/. Discovery is open; every call is signed by a registered client
for the very address that it goes to. Refusals are OperationOutcomes, as on ``/fhir``.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.core.errors import AppError, Category, Issue
from app.interactions import cds as calls
from app.interactions.context import Context
from app.routers import cds_bodies, negotiation
from app.routers.cds_bodies import HookCall
from app.routers.dependencies import Services, services_of
from app.routers.fields import fields_of
from app.routers.languages import spoken
from app.security.principal import Principal
from app.services import cds
from app.services.cds import CdsService

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
    services = services_of(request)
    caller = await services.admit_signed(request)
    try:
        return await _cards(request, services, caller, id)
    except AppError as refusal:
        await services.record_refusal(request, caller, refusal)
        raise


async def _cards(request: Request, services: Services, caller: Principal, id: str) -> Response:
    service, language = _service(id), spoken(request)
    asked = _hook(cds_bodies.read(await _body(request), HookCall), service)
    hook = calls.Hook(service, asked.context.patient_id, asked.context.user_id, language)
    async with services.units.read(caller.tenant) as unit:
        context = Context(services.engine, caller, services.facts(request), unit)
        found = await calls.cards(context, hook, services.root.derive("cds-card"))
    return JSONResponse({"cards": list(found)}, headers=_in(language))


def _service(id: str) -> CdsService:
    service = cds.services().get(id)
    if service is None:
        raise AppError.of(Category.NOT_FOUND, "not-found", "no such service")
    return service


def _hook(asked: HookCall, service: CdsService) -> HookCall:
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


async def _body(request: Request) -> bytes:
    negotiation.check_body_type(fields_of(request.scope).get("content-type"))
    return await request.body()


def _in(language: str) -> dict[str, str]:
    return {"Content-Language": language, "Vary": "Accept-Language"}
