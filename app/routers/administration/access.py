"""Who administers, how a body is read, and what is kept of it."""

from __future__ import annotations

from typing import Annotated, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError

from app.core.clock import SECOND
from app.core.errors import AppError, Category
from app.routers.dependencies import services_of
from app.routers.oauth import Server, caller_of
from app.security import access
from app.security.authentication import require_recent
from app.security.oauth.server import AuthorizationServer
from app.security.ports import EventName, SecurityEvent, Unit
from app.security.principal import Principal
from app.security.scopes import ADMIN

Body = TypeVar("Body", bound=BaseModel)


class Strict(BaseModel):
    """A body without anything that is not known."""

    model_config = ConfigDict(extra="forbid")


async def _admin(request: Request, server: Server) -> Principal:
    return await _administrator(request, server, await services_of(request).authenticate(request))


async def _overseer(request: Request, server: Server) -> Principal:
    """An administrator, or an auditor, who sees by what rules the clinic lives."""
    services = services_of(request)
    caller = await services.authenticate(request)
    if caller.role != "auditor":
        return await _administrator(request, server, caller)
    await _look(request, caller)
    return caller


async def _administrator(request: Request, server: Server, caller: Principal) -> Principal:
    services = services_of(request)
    try:
        async with server.units.read() as unit:
            account = await unit.accounts.people.find(caller.tenant, caller.subject)
            if account is None or caller.role != "admin" or ADMIN not in caller.scopes:
                raise access.forbidden()
            enrolled = await unit.accounts.factors.enrolled(caller.tenant, caller.subject)
        require_recent(caller, now=server.clock.now() // SECOND, second_factor=enrolled)
    except AppError as refusal:
        await services.record_refusal(request, caller, refusal)
        raise
    if request.method == "GET":  # a change is told by what it changed
        await _look(request, caller)
    return caller


async def _look(request: Request, caller: Principal) -> None:
    services = services_of(request)
    looked = services.trail.success("operation", caller, services.facts(request))
    await services.units.audit.write(looked)


Admin = Annotated[Principal, Depends(_admin)]
Overseer = Annotated[Principal, Depends(_overseer)]


async def read(request: Request, model: type[Body]) -> Body:
    """The body, or ``invalid`` with the place of every flaw."""
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        places = sorted({".".join(map(str, one["loc"])) for one in error.errors()})
        raise AppError.of(
            Category.INVALID, "value", f"not as it should be: {', '.join(places)}"[:300]
        ) from None


async def record(
    server: AuthorizationServer,
    unit: Unit,
    request: Request,
    admin: Principal,
    name: EventName,
    *,
    client_id: str | None = None,
    subject: str | None = None,
) -> None:
    """Keeps in the audit log what an administrator did, in the unit that did it."""
    caller = caller_of(request)
    await server.audit.record(
        SecurityEvent(
            name,
            at=server.clock.now(),
            outcome="success",
            tenant=admin.tenant,
            client_id=client_id or admin.client_id,
            subject=subject or admin.subject,
            address=caller.address,
            request_id=caller.request_id,
            reason=f"by {admin.subject}",
        ),
        unit=unit,
    )


def unknown() -> AppError:
    """What is not there, or is another clinic's."""
    return AppError.of(Category.NOT_FOUND, "not-found", "no such account or client")
