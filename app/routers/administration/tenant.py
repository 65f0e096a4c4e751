"""The clinic itself: what holds of clients who have said nothing, and by whose clock it lives."""

from __future__ import annotations

from zoneinfo import available_timezones

from fastapi import APIRouter, Request
from pydantic import field_validator
from starlette.responses import JSONResponse, Response

from app.domain.consent import Implicit
from app.repositories.installation import Tenant
from app.repositories.unit_of_work import UnitOfWork
from app.routers.administration.access import Admin, Strict, read, record, unknown
from app.routers.dependencies import services_of
from app.routers.oauth import OAuthRoute, Server
from app.security.ports import EventName

router = APIRouter(route_class=OAuthRoute, include_in_schema=False)


class TenantChange(Strict):
    """What may change of a clinic."""

    implicit_policy: Implicit | None = None
    time_zone: str | None = None

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError("no time zone of this name")
        return value


@router.get("/tenant")
async def tenant(request: Request, admin: Admin) -> Response:
    """The administrator's own clinic."""
    async with services_of(request).units.read(admin.tenant) as unit:
        return _shown(await _own(unit, admin.tenant))


@router.patch("/tenant")
async def change_tenant(request: Request, server: Server, admin: Admin) -> Response:
    """Sets the implicit policy, which holds from the next request on, and the time zone."""
    body = await read(request, TenantChange)
    async with services_of(request).units.write(admin.tenant) as unit:
        if body.implicit_policy is not None:
            await unit.installation.set_policy(admin.tenant, body.implicit_policy)
            await record(server, unit, request, admin, EventName.POLICY_CHANGED)
        if body.time_zone is not None:
            await unit.installation.set_zone(admin.tenant, body.time_zone)
            await record(server, unit, request, admin, EventName.SETTINGS_CHANGED)
        return _shown(await _own(unit, admin.tenant))


async def _own(unit: UnitOfWork, id: int) -> Tenant:
    found = await unit.installation.tenants()
    own = next((each for each in found if each.id == id), None)
    if own is None:
        raise unknown()
    return own


def _shown(own: Tenant) -> Response:
    return JSONResponse(
        {
            "slug": own.slug,
            "name": own.name,
            "implicit_policy": own.policy,
            "time_zone": own.zone,
        }
    )
