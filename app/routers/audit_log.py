"""The log's proof over HTTP: checkpoint and keys for anyone, entries and proofs for auditors.

Texts are those of https://c2sp.org/signed-note; proofs come in the order of RFC 9162.
"""

from __future__ import annotations

import base64
import re

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from app.core.errors import AppError, Category
from app.fhir.registry import REGISTRY
from app.routers.dependencies import Services, services_of
from app.search.asker import Concern
from app.search.visibility import Alternative
from app.security import access
from app.security.principal import Principal
from app.services.audit_proofs import Proofs

router = APIRouter(prefix="/audit", tags=["audit log"])

_NO_STORE = {"Cache-Control": "no-store"}
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_EVENT = REGISTRY["AuditEvent"].code


@router.get("/checkpoint", response_class=PlainTextResponse)
async def checkpoint(request: Request) -> Response:
    """The newest checkpoint, a signed note."""
    found = await _proofs(request).checkpoint()
    return PlainTextResponse(found.note, headers=_NO_STORE)


@router.get("/key", response_class=PlainTextResponse)
async def key(request: Request) -> Response:
    """The public keys of the log, one C2SP verifier key a line."""
    return PlainTextResponse(await _proofs(request).keys(), headers=_NO_STORE)


@router.get("/entries", response_class=StreamingResponse)
async def entries(request: Request) -> Response:
    """Canonical leaf bytes from ``start`` to before ``end``, one leaf a line."""
    await _for_auditors(request)
    proofs = _proofs(request)
    size = await proofs.size()
    start, end = _number(request, "start", absent=0), _number(request, "end", absent=size)
    if not start <= end <= size:
        raise _refused("the tree has no such entries")
    return StreamingResponse(
        proofs.entries(start, end), media_type="application/x-ndjson", headers=_NO_STORE
    )


@router.get("/proof/inclusion")
async def inclusion(request: Request) -> Response:
    """That the tree of ``size`` leaves holds leaf ``index``, or that of the AuditEvent ``id``."""
    principal = await _for_auditors(request)
    proofs = _proofs(request)
    size, id = _number(request, "size"), request.query_params.get("id")
    if id is None:
        return _proof(await proofs.inclusion(_number(request, "index"), size))
    index = await proofs.index_of(id, tenant=principal.tenant)
    return _proof(await proofs.inclusion(index, size), index=index)


@router.get("/proof/consistency")
async def consistency(request: Request) -> Response:
    """That the tree of ``to`` leaves extends that of ``from`` leaves."""
    await _for_auditors(request)
    first, second = _number(request, "from"), _number(request, "to")
    return _proof(await _proofs(request).consistency(first, second))


def _proofs(request: Request) -> Proofs:
    return Proofs(services_of(request).units)


async def _for_auditors(request: Request) -> Principal:
    """The caller, who may see every AuditEvent of a tenant; that they look is recorded."""
    services: Services = services_of(request)
    principal = await services.authenticate(request)
    facts = services.facts(request)
    async with services.units.read(principal.tenant) as unit:
        if Alternative() in access.visible(principal, "s", Concern()).grants.get(_EVENT, ()):
            unit.audited.extend(services.trail.success("audit-used", principal, facts))
            return principal
        refusal = AppError.of(Category.FORBIDDEN, "forbidden", "this is for auditors")
        failure = services.trail.failure("audit-used", principal, facts, error=refusal)
        unit.audited.extend(failure)
    raise refusal


def _number(request: Request, name: str, *, absent: int | None = None) -> int:
    given = request.query_params.getlist(name)
    if not given and absent is not None:
        return absent
    if len(given) != 1 or not _NUMBER.fullmatch(given[0]):
        raise _refused(f"{name} must be a number, given once")
    return int(given[0])


def _refused(text: str) -> AppError:
    return AppError.of(Category.INVALID, "value", text)


def _proof(hashes: list[bytes], **more: int) -> Response:
    written = [base64.b64encode(hash).decode() for hash in hashes]
    return JSONResponse({"hashes": written, **more}, headers=_NO_STORE)
