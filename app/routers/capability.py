"""``/fhir/metadata``: what this server really does. https://hl7.org/fhir/R4/http.html#capabilities"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from fastapi import APIRouter, Request
from starlette.responses import Response

from app import __version__
from app.core.config import Settings
from app.fhir import json
from app.fhir.capability import Authorization, Offered, capability_statement
from app.fhir.registry import REGISTRY, Interaction
from app.interactions import pipeline
from app.interactions.operations import OPERATIONS
from app.interactions.part import Part
from app.routers.dependencies import services_of
from app.routers.requests import Layout, query_pairs
from app.security import roles
from app.security.oauth import discovery
from app.services.topics import topics

router = APIRouter(include_in_schema=False)


@cache
def withheld() -> Mapping[str, tuple[Interaction, ...]]:
    """What the registry allows of a type and nobody is offered: it is in no role's hands."""
    return {name: tuple(_of_no_role(name, entry.interactions)) for name, entry in REGISTRY.items()}


def _of_no_role(name: str, interactions: Iterable[Interaction]) -> Iterator[Interaction]:
    allowed = {action for role in roles.table() for action in roles.actions(role, name)}
    return (one for one in interactions if pipeline.ACTIONS[one] not in allowed)


def of_types() -> list[Offered]:
    """The operations that a type or one of its resources has."""
    return [
        operation.offered
        for operation in OPERATIONS.values()
        if operation.type_level or operation.instance_level
    ]


def _of_the_system() -> list[json.Tree]:
    return [
        {"name": operation.name, "definition": operation.definition}
        for operation in OPERATIONS.values()
        if operation.system_level
    ]


def statement(settings: Settings) -> json.Tree:
    """The CapabilityStatement for these settings."""
    tree = capability_statement(
        base=settings.fhir_base,
        operations=of_types(),
        authorization=Authorization(
            authorize=settings.origin + discovery.AUTHORIZE,
            token=settings.origin + discovery.TOKEN,
            introspect=settings.origin + discovery.INTROSPECT,
            revoke=settings.origin + discovery.REVOKE,
        ),
        without=withheld(),
        topics=[topic.canonical for topic in topics().values()],
        socket=settings.socket_url,
        version=__version__,
    )
    rest = tree["rest"][0]
    rest["operation"] = [*rest.get("operation", ()), *_of_the_system()]
    return tree


@router.api_route("/fhir/metadata", methods=["GET", "HEAD"])
async def metadata(request: Request) -> Response:
    """The CapabilityStatement; open to everyone."""
    query = query_pairs(request)
    layout = Layout.of(request, query)
    part = Part.asked(query)
    text = part.of(json.dumps(statement(services_of(request).settings)))
    if layout.pretty:
        text = json.dumps(json.parse(text), pretty=True)
    headers = {"Cross-Origin-Resource-Policy": "cross-origin"}
    return Response(text, media_type=layout.media_type, headers=headers)
