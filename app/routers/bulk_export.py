"""What was asked for in bulk: how far it is, its end, and its files as NDJSON.

https://hl7.org/fhir/uv/bulkdata/export. A file is made while it is read: nothing of it is stored,
nor kept in memory. Where the caller loses the right to it, the connection is cut, so that no part
looks whole.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from email.utils import formatdate

import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from app.core.clock import SECOND
from app.fhir import json
from app.routers.dependencies import services_of
from app.routers.fields import fields_of
from app.routers.negotiation import accepts_encoding
from app.services.exports import Progress

log = structlog.get_logger("rapport.export")

router = APIRouter(prefix="/fhir/$export", include_in_schema=False)

NDJSON = "application/fhir+ndjson"
_RETRY_SECONDS = 1
_GZIP = 31  # zlib's word for gzip with its largest window
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


class Cut(Exception):
    """What was begun cannot be ended: the connection is closed, as no answer can be any more."""


@router.get("/{job}")
async def status(request: Request, job: str) -> Response:
    """How far an export is; its manifest once it is ready."""
    services = services_of(request)
    principal = await services.authenticate(request)
    async with services.recording(request, principal):
        found = await services.exports.status(principal, services.facts(request), job)
    if isinstance(found, Progress):
        headers = {"X-Progress": found.text, "Retry-After": str(_RETRY_SECONDS)}
        return Response(status_code=202, headers=headers)
    return Response(
        json.dumps(dict(found.tree)),
        media_type="application/json",
        headers={"Expires": formatdate(found.expires // SECOND, usegmt=True)},
    )


@router.delete("/{job}")
async def cancel(request: Request, job: str) -> Response:
    """Ends an export."""
    services = services_of(request)
    principal = await services.authenticate(request)
    async with services.recording(request, principal):
        await services.exports.cancel(principal, services.facts(request), job)
    return Response(status_code=202)


@router.get("/{job}/{file}")
async def download(request: Request, job: str, file: str) -> Response:
    """A file, the first of it made before anything is answered."""
    services = services_of(request)
    principal = await services.authenticate(request)
    number = int(file) if _NUMBER.fullmatch(file) else -1
    pieces = services.exports.download(principal, services.facts(request), job, number)
    async with services.recording(request, principal):
        first = await anext(pieces)

    async def body() -> AsyncIterator[bytes]:
        yield first
        try:
            async with aclosing(pieces), services.recording(request, principal):
                async for piece in pieces:
                    yield piece
        except Exception as error:  # noqa: BLE001 - told by the end of the connection
            log.warning("export cut", reason=type(error).__name__)
            raise Cut from None  # whatever it was is no line for a log

    headers = {"Vary": "Accept-Encoding"}
    if not accepts_encoding(fields_of(request.scope).get("accept-encoding"), "gzip"):
        return StreamingResponse(body(), media_type=NDJSON, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return StreamingResponse(_zipped(body()), media_type=NDJSON, headers=headers)


async def _zipped(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(level=6, wbits=_GZIP)
    async for piece in pieces:
        packed = await asyncio.to_thread(packer.compress, piece)
        if packed:
            yield packed
    yield packer.flush()
