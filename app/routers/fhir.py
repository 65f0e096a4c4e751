"""The FHIR API: every type and interaction through one route.

https://hl7.org/fhir/R4/http.html. What a method and a path mean is told by
``interactions/address.py``; what is offered, by the registry.
"""

from __future__ import annotations

from dataclasses import replace
from email.utils import formatdate
from functools import lru_cache

from fastapi import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.clock import SECOND
from app.core.errors import AppError
from app.fhir import json
from app.fhir.outcome import operation_outcome
from app.fhir.registry import Interaction, by_code
from app.interactions import address, pipeline
from app.interactions.call import Call, Outcome
from app.interactions.operations import OPERATIONS
from app.repositories.session import ProvisoFailed
from app.routers.dependencies import Services, services_of
from app.routers.requests import Layout, Preferences, asked, call_of
from app.security.authentication import Presumed

_STATUS = {"ok": 200, "created": 201, "deleted": 204, "not-modified": 304, "accepted": 202}
_WRITES = (Interaction.CREATE, Interaction.UPDATE, Interaction.PATCH, Interaction.DELETE)


async def handle(request: Request) -> Response:
    """Answers one request below the base; without a token every one in the same way."""
    services = services_of(request)
    principal, presumed = await services.admit(request)
    try:
        call, layout = await _call(request, services)
    except AppError as refusal:
        if presumed.provisos:  # who has no token is told nothing else
            principal = await services.authenticate(request)
        await services.record_refusal(request, principal, refusal)
        raise
    if call.interaction is Interaction.BATCH and presumed.provisos:
        # Of several units of work the first would be done when a proviso fails.
        principal, presumed = await services.authenticate(request), Presumed()
    try:
        outcome = await pipeline.run(services.engine, principal, call, presumed=presumed)
    except ProvisoFailed:
        principal = await services.authenticate(request)
        outcome = await pipeline.run(
            services.engine, principal, call, presumed=Presumed(learnt=presumed.learnt)
        )
    if _writes(call) or call.interaction is Interaction.BATCH:
        services.wake()
    if outcome.result == "accepted":
        services.prepare()
    base = services.engine.settings.fhir_base
    return _answer(base, call, outcome, layout, Preferences.of(request))


async def _call(request: Request, services: Services) -> tuple[Call, Layout]:
    base = services.engine.settings.fhir_base
    if request.method not in METHODS:
        raise address.NotAllowed(sorted(METHODS))
    found = address.resolve(request.method, request.scope["path"][len("/fhir") :])
    query, form = await asked(request, found)
    operation = OPERATIONS.get(found.operation or "")
    layout = Layout.of(request, query, also=operation.media_types if operation else ())
    facts = services.facts(request)
    if form:
        facts = replace(facts, body=form)
    call = await call_of(request, found, query=query, facts=facts, base=base)
    return replace(call, picture=layout.picture) if layout.picture else call, layout


def _answer(
    base: str, call: Call, outcome: Outcome, layout: Layout, preferences: Preferences
) -> Response:
    status = _STATUS[outcome.result]
    headers = _version_headers(base, call, outcome)
    body = b"" if status == 304 else _body(call, outcome, preferences)
    if status == 204 and body:
        status = 200
    if layout.pretty and body and outcome.media_type is None:
        body = json.dumps(json.parse(body), pretty=True)
    media_type = (outcome.media_type or layout.media_type) if body else None
    return Response(body, status_code=status, headers=headers, media_type=media_type)


def _writes(call: Call) -> bool:
    return call.operation is None and call.interaction in _WRITES


def _version_headers(base: str, call: Call, outcome: Outcome) -> dict[str, str]:
    stored = outcome.stored
    if outcome.place is not None:
        return {"Content-Location": f"{base}/{outcome.place}"}
    if stored is None:
        return {}
    headers = {
        "ETag": f'W/"{stored.version}"',
        "Last-Modified": _moment(stored.updated // SECOND),
    }
    if _writes(call) and outcome.result != "deleted":
        place = f"{base}/{by_code(stored.kind).name}/{stored.id}/_history/{stored.version}"
        headers["Location"] = headers["Content-Location"] = place
    return headers


@lru_cache(maxsize=4096)
def _moment(second: int) -> str:
    return formatdate(second, usegmt=True)


def _body(call: Call, outcome: Outcome, preferences: Preferences) -> bytes:
    if _writes(call) and preferences.returned == "OperationOutcome":
        return json.dumps(operation_outcome(outcome.issues))
    if outcome.result == "deleted" or (_writes(call) and preferences.returned == "minimal"):
        return b""
    if outcome.stored is not None:
        return call.part.of(outcome.stored.text)
    return outcome.document or b""


METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))
# Below the base, and answered elsewhere to those who ask for them.
_ELSEWHERE = frozenset(("/fhir/metadata", "/fhir/.well-known/smart-configuration"))


class FhirApi:
    """Answers what is below the base, and passes the rest on.

    It stands before the routes, since most requests are for it and one look at the address tells.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or not _is_ours(scope):
            await self._app(scope, receive, send)
            return
        response = await handle(Request(scope, receive))
        await response(scope, receive, send)


def _is_ours(scope: Scope) -> bool:
    path: str = scope["path"]
    if not path.startswith("/fhir") or path[5:6] not in ("", "/"):
        return False
    if path.startswith("/fhir/$export/"):  # what was asked for before: ``bulk_export.py``
        return False
    return path not in _ELSEWHERE or scope["method"] not in ("GET", "HEAD")
