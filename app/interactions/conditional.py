"""Conditions: what a search says about which resource is meant.

https://hl7.org/fhir/R4/http.html#cond-update. Judged inside the transaction that writes, one
at a time per tenant and type, and over the caller's visible set only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from app.core.errors import AppError, Category
from app.fhir.registry import Interaction
from app.interactions.call import Call, Pairs
from app.interactions.context import Context
from app.interactions.refusals import hidden
from app.search import parser
from app.search.found import Found


async def one_match(context: Context, type_name: str, criteria: Pairs) -> Found | None:
    """The one resource meant, or None; several are a failed precondition."""
    query = parser.parse_criteria(
        type_name, criteria, base=context.engine.settings.fhir_base, now=context.engine.clock.now()
    )
    await context.uow.resources.flush()  # what this unit wrote can be meant too
    found = await context.uow.searches.matches(query, visible=context.visible("s"), limit=2)
    if len(found) > 1:
        raise AppError.of(
            Category.PRECONDITION, "multiple-matches", "the criteria match several resources"
        )
    return found[0] if found else None


async def hold(context: Context, type_names: Iterable[str]) -> None:
    """Lets one conditional write of each of these types at a time judge its condition."""
    for type_name in sorted(set(type_names)):  # in one order, so that nobody waits in a circle
        await context.uow.lock(f"condition|{context.principal.tenant}|{type_name}")


async def settle(context: Context, call: Call) -> Call:
    """The call with its condition judged; any other as it is.

    What was found gives the id. Where nothing was, a create makes an id, an update takes the
    one in its body or makes one, and a patch or a deletion has none.
    """
    if call.condition is None:
        return call
    assert call.type is not None
    await hold(context, (call.type,))
    found = await one_match(context, call.type, call.condition)
    if found is not None:
        return _known_as(call, found.id, "found")
    if call.interaction is Interaction.UPDATE:
        assert call.tree is not None
        if (own := call.tree.get("id")) is not None:
            await _check_free(context, call.type, own)
            return _known_as(call, own, "given")
    if call.interaction in (Interaction.CREATE, Interaction.UPDATE):
        return _known_as(call, context.engine.ids.new_id(), "made")
    return replace(call, condition=None)


def _known_as(call: Call, id: str, identity: Literal["given", "found", "made"]) -> Call:
    return replace(call, condition=None, id=id, identity=identity)


async def _check_free(context: Context, type_name: str, id: str) -> None:
    """Refuses an id that is taken by what the criteria do not mean.

    R4 leaves it open; https://hl7.org/fhir/R5/http.html#cond-update does not.
    """
    kind = context.kind(type_name)
    taken = await context.uow.resources.lock(kind, id, visible=context.visible("u"))
    if taken is None or taken.stored.deleted:
        return
    if not taken.seen:
        raise hidden(context)
    raise AppError.of(
        Category.CONFLICT, "conflict", "the criteria do not find the resource of this id"
    )
