"""``/fhir/metadata``: what this server really does. https://hl7.org/fhir/R4/http.html#capabilities"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.fhir import json
from app.interactions.capabilities import statement
from app.interactions.part import Part
from app.routers.dependencies import services_of
from app.routers.requests import Layout, query_pairs

router = APIRouter(include_in_schema=False)


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
