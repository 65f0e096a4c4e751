"""create, with a condition or without. https://hl7.org/fhir/R4/http.html#create"""

from __future__ import annotations

from app.interactions import conditional
from app.interactions.call import Call, Outcome
from app.interactions.change import Change, store
from app.interactions.context import Context
from app.interactions.refusals import not_found


async def create(context: Context, call: Call) -> Outcome:
    """Makes a resource under a new id, unless a condition already finds one."""
    call = await conditional.settle(context, call)
    assert call.type is not None and call.tree is not None
    if call.identity == "found":
        return await _found(context, call)
    change = Change(
        type=call.type,
        id=call.id or context.engine.ids.new_id(),
        text=call.body,
        tree=call.tree,
        previous=None,
        interaction=call.interaction,
    )
    return await store(context, change, action="c")


async def _found(context: Context, call: Call) -> Outcome:
    """What is there already, for a caller who may search for it."""
    assert call.type is not None and call.id is not None
    stored = await context.uow.resources.read(
        context.kind(call.type), call.id, visible=context.visible("s")
    )
    if stored is None or stored.deleted:
        raise not_found()
    context.touched.append(stored)
    return Outcome("ok", stored=stored)
