"""read and vread. https://hl7.org/fhir/R4/http.html#read"""

from __future__ import annotations

from app.core.clock import SECOND
from app.fhir.registry import REGISTRY
from app.interactions.call import Call, Outcome, Shown
from app.interactions.context import Context
from app.interactions.refusals import gone, not_found
from app.repositories.resources import StoredVersion
from app.search.expression import Ids
from app.search.query import SearchQuery


async def read(context: Context, call: Call) -> Outcome:
    """The current version; ``gone`` where it was deleted and the caller could see it."""
    assert call.type is not None and call.id is not None
    if REGISTRY[call.type].store == "audit":
        return await _read_record(context, call)
    stored = await context.uow.resources.read(
        context.kind(call.type), call.id, visible=context.visible("r")
    )
    return _answer(context, call, stored)


async def vread(context: Context, call: Call) -> Outcome:
    """One version."""
    assert call.type is not None and call.id is not None and call.version is not None
    stored = await context.uow.resources.read_version(
        context.kind(call.type), call.id, call.version, visible=context.visible("r")
    )
    return _answer(context, call, stored)


async def _read_record(context: Context, call: Call) -> Outcome:
    """An entry of the audit log, rendered; its store is searched, not read by key."""
    assert call.type is not None and call.id is not None
    query = SearchQuery(kinds=(context.kind(call.type),), where=Ids((call.id,)))
    found = await context.uow.searches.matches(query, visible=context.visible("r"), limit=1)
    if not found:
        raise not_found()
    context.touched.append(found[0])
    return _unless_known(call, found[0])


def _answer(context: Context, call: Call, stored: StoredVersion | None) -> Outcome:
    if stored is None:
        raise not_found()
    if stored.deleted:
        raise gone()
    context.touched.append(stored)
    return _unless_known(call, stored)


def _unless_known(call: Call, shown: Shown) -> Outcome:
    known = False
    if call.if_none_match is not None:
        known = call.if_none_match.include(shown.version)
    elif call.if_modified_since is not None:
        known = shown.updated // SECOND * SECOND <= call.if_modified_since
    return Outcome("not-modified" if known else "ok", stored=shown)
