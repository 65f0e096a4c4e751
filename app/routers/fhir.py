"""The FHIR API: every type and interaction through one route.

https://hl7.org/fhir/R4/http.html. What a method and a path mean is told by
``interactions/address.py``; what is offered, by the registry.
"""

from __future__ import annotations

from email.utils import formatdate

from fastapi import Request
from starlette.responses import Response
from starlette.routing import Route

from app.core.clock import SECOND
from app.fhir import elements, json
from app.fhir.outcome import operation_outcome
from app.fhir.registry import Interaction, by_code
from app.interactions import address, pipeline
from app.interactions.call import Call, Outcome
from app.repositories.resources import StoredVersion
from app.routers.dependencies import services_of
from app.routers.requests import Preferences, Shape, call_of, query_pairs

_STATUS = {"ok": 200, "created": 201, "deleted": 204, "not-modified": 304, "accepted": 202}
_WRITES = (Interaction.CREATE, Interaction.UPDATE, Interaction.PATCH, Interaction.DELETE)


async def handle(request: Request) -> Response:
    """Answers one request below the base."""
    services = services_of(request)
    shape = Shape.of(request, query_pairs(request))
    found = address.resolve(request.method, request.path_params.get("path", ""))
    facts = services.facts(request)
    principal = await services.authenticate(request)
    preferences = Preferences.of(request.headers.get("prefer"))
    call = await call_of(request, found, facts, preferences)
    outcome = await pipeline.run(services.engine, principal, call)
    if call.interaction in _WRITES:
        services.wake()
    return _answer(services.engine.settings.fhir_base, call, outcome, shape, preferences)


def _answer(
    base: str, call: Call, outcome: Outcome, shape: Shape, preferences: Preferences
) -> Response:
    status = _STATUS[outcome.result]
    headers = _version_headers(base, call, outcome)
    body = b"" if status in (204, 304) else _body(call, outcome, shape, preferences)
    return Response(
        body, status_code=status, headers=headers, media_type=shape.media_type if body else None
    )


def _version_headers(base: str, call: Call, outcome: Outcome) -> dict[str, str]:
    stored = outcome.stored
    if stored is None or outcome.result == "deleted":
        return {}
    headers = {
        "ETag": f'W/"{stored.version}"',
        "Last-Modified": formatdate(stored.updated // SECOND, usegmt=True),
    }
    place = f"{base}/{by_code(stored.kind).name}/{stored.id}/_history/{stored.version}"
    if call.interaction in _WRITES:
        headers["Location"] = place
        headers["Content-Location"] = place
    return headers


def _body(call: Call, outcome: Outcome, shape: Shape, preferences: Preferences) -> bytes:
    if call.interaction in _WRITES and outcome.stored is not None:
        if preferences.returned == "minimal":
            return b""
        if preferences.returned == "OperationOutcome":
            return json.dumps(operation_outcome(outcome.issues), pretty=shape.pretty)
    if outcome.stored is not None:
        return _resource(outcome.stored, shape)
    text = outcome.document or b""
    return json.dumps(json.parse(text), pretty=True) if shape.pretty and text else text


def _resource(stored: StoredVersion, shape: Shape) -> bytes:
    """The stored text as it is, unless a part or another layout was asked for."""
    if shape.summary is None and not shape.elements and not shape.pretty:
        return stored.text
    tree = json.parse_resource(stored.text)
    if shape.summary is not None or shape.elements:
        tree = elements.subset(tree, summary=shape.summary, elements=shape.elements)
    return json.dumps(tree, pretty=shape.pretty)


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
ROUTES = [
    Route("/fhir", handle, methods=METHODS),
    Route("/fhir/{path:path}", handle, methods=METHODS),
]
