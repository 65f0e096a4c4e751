"""read and vread. https://hl7.org/fhir/R4/http.html#read"""

from __future__ import annotations

from app.core.clock import SECOND
from app.core.errors import AppError, Category
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
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
        raise AppError.of(Category.GONE, "deleted", "the resource was deleted")
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
        raise AppError.of(Category.GONE, "deleted", "this version is a deletion")
    context.touched.append(stored)
    if _unchanged(call, stored):
        return Outcome("not-modified", stored=stored)
    return Outcome("ok", stored=stored)


def not_found() -> AppError:
    """Absent, or hidden: the two are told in the same words."""
    return AppError.of(Category.NOT_FOUND, "not-found", "no such resource")


def _unchanged(call: Call, stored: StoredVersion) -> bool:
    if call.if_none_match is not None:
        return call.if_none_match in ("*", str(stored.version))
    if call.if_modified_since is not None:
        return stored.updated // SECOND * SECOND <= call.if_modified_since
    return False
