"""``/openapi.json`` and ``/docs``: what the API offers, with assets served from here."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from app import __version__
from app.core.errors import AppError, Category
from app.fhir import json
from app.fhir.openapi import document
from app.interactions.capabilities import of_types
from app.routers import cds_description

router = APIRouter(include_in_schema=False)

_CACHED = {"Cache-Control": "public, max-age=3600"}
_POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
}
_VENDOR = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


@cache
def description() -> bytes:
    """The OpenAPI document: the same for every installation, its address left open."""
    tree = document(version=__version__, operations=of_types())
    tree["tags"].append(cds_description.tag())
    tree["paths"] = dict(sorted({**tree["paths"], **cds_description.paths()}.items()))
    return json.dumps(tree, pretty=True) + b"\n"


@router.get("/openapi.json")
async def openapi() -> Response:
    """The OpenAPI document."""
    return Response(description(), media_type="application/json", headers=_CACHED)


@router.get("/docs")
async def docs() -> Response:
    """The document as a page."""
    return Response(_own("docs.html"), media_type="text/html", headers=_POLICY)


@router.get("/docs/docs.js")
async def script() -> Response:
    """What starts the page."""
    return Response(_own("docs.js"), media_type="text/javascript", headers=_CACHED)


@router.get("/docs/{name}")
async def asset(name: str) -> Response:
    """A file of the page's library."""
    if name not in _VENDOR:
        raise AppError.of(Category.NOT_FOUND, "not-found", "no such address")
    return Response(_vendor(name), media_type=_VENDOR[name], headers=_CACHED)


@cache
def _own(name: str) -> bytes:
    return files("app.routers").joinpath("static", name).read_bytes()


@cache
def _vendor(name: str) -> bytes:
    spec = find_spec("fastapi_offline")
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / "static" / name).read_bytes()
