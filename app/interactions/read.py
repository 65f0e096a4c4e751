"""read and vread. https://hl7.org/fhir/R4/http.html#read"""

from __future__ import annotations

from app.core.clock import SECOND
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.refusals import gone, not_found
from app.repositories.resources import StoredVersion


async def read(context: Context, call: Call) -> Outcome:
    """The current version; ``gone`` where it was deleted and the caller could see it."""
    assert call.type is not None and call.id is not None
    stored = await context.uow.resources.read(
        context.kind(call.type), call.id, visible=context.visible("r")
    )
    if stored is None:
        raise not_found()
    if stored.deleted:
        raise gone()
    context.touched.append(stored)
    if _unchanged(call, stored):
        return Outcome("not-modified", stored=stored)
    return Outcome("ok", stored=stored)


async def vread(context: Context, call: Call) -> Outcome:
    """One version."""
    assert call.type is not None and call.id is not None and call.version is not None
    stored = await context.uow.resources.read_version(
        context.kind(call.type), call.id, call.version, visible=context.visible("r")
    )
    if stored is None:
        raise not_found()
    if stored.deleted:
        raise gone()
    context.touched.append(stored)
    if _unchanged(call, stored):
        return Outcome("not-modified", stored=stored)
    return Outcome("ok", stored=stored)


def _unchanged(call: Call, stored: StoredVersion) -> bool:
    if call.if_none_match is not None:
        return call.if_none_match in ("*", str(stored.version))
    if call.if_modified_since is not None:
        return stored.updated // SECOND * SECOND <= call.if_modified_since
    return False
