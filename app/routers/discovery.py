"""Where clients begin: the discovery documents, open to every origin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from app.routers.oauth import Server

router = APIRouter(include_in_schema=False)
_METHODS = ["GET", "HEAD"]
_HEADERS = {
    "Cache-Control": "public, max-age=300",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@router.api_route("/fhir/.well-known/smart-configuration", methods=_METHODS)
@router.api_route("/.well-known/smart-configuration", methods=_METHODS)
async def smart_configuration(server: Server) -> Response:
    """SMART App Launch 2.2, whatever the request accepts."""
    return _document(server.smart)


@router.api_route("/.well-known/openid-configuration", methods=_METHODS)
@router.api_route("/.well-known/oauth-authorization-server", methods=_METHODS)
async def openid_configuration(server: Server) -> Response:
    """OpenID Connect Discovery 1.0 and RFC 8414."""
    return _document(server.openid)


def _document(content: Mapping[str, Any]) -> Response:
    return JSONResponse(dict(content), headers=_HEADERS)
