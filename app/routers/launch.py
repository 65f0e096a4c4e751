"""EHR launch: a record system opens a client in the context of a patient (SMART 2.2).

``POST /oauth/launch`` with a system's token: ``{"client_id", "patient", "encounter", "intent"}``.
The answer's ``launch`` is what the client brings to the authorization endpoint, once, within
five minutes; who may see the patient is decided there, by who signs in.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from app.core.clock import SECOND
from app.core.errors import AppError, Category
from app.routers.fields import fields_of
from app.routers.oauth import OAuthRoute, Server, answer, caller_of
from app.security import access, roles
from app.security.oauth.errors import invalid_request
from app.security.oauth.granting import LAUNCH_LIFE, Context

router = APIRouter(prefix="/oauth", route_class=OAuthRoute, include_in_schema=False)
_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]


class LaunchRequest(BaseModel):
    """What a client is to be opened with."""

    model_config = ConfigDict(extra="forbid")

    client_id: str
    patient: _Id | None = None
    encounter: _Id | None = None
    intent: str | None = Field(default=None, max_length=100)


@router.post("/launch")
async def launch(request: Request, server: Server) -> Response:
    """A launch handle."""
    async with server.units.read() as unit:
        caller = await server.authenticator.authenticate(
            fields_of(request.scope).get("authorization"), unit.accounts.tokens
        )
    if caller.is_person or caller.role not in roles.SYSTEMS:
        raise access.forbidden()
    access.decide(caller, "Patient", "r")
    try:
        asked = LaunchRequest.model_validate_json(await request.body())
    except ValidationError:
        raise invalid_request("client_id, patient, encounter, intent") from None
    async with server.units.read() as unit:
        client = await unit.accounts.clients.find(asked.client_id, tenant=caller.tenant)
    if client is None:
        raise AppError.of(Category.INVALID, "not-found", "no such client")
    handle = await server.granting.create_launch(
        tenant=caller.tenant,
        client_id=client.client_id,
        context=Context(asked.patient, asked.encounter, asked.intent),
        by=caller.client_id,
        caller=caller_of(request),
    )
    body: dict[str, object] = {"launch": handle, "expires_in": LAUNCH_LIFE // SECOND}
    if client.launch_uri is not None:
        query = urlencode({"iss": server.audience, "launch": handle})
        body["launch_url"] = f"{client.launch_uri}?{query}"
    return answer(body)
