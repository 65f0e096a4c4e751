"""create, with a condition or without. https://hl7.org/fhir/R4/http.html#create"""

from __future__ import annotations

from app.interactions import conditional
from app.interactions.call import Call, Outcome
from app.interactions.change import Change, store
from app.interactions.context import Context
from app.interactions.refusals import not_found


async def create(context: Context, call: Call, *, new_id: str | None = None) -> Outcome:
    """Makes a resource under a new id, unless a condition already finds one."""
    assert call.type is not None and call.tree is not None
    if call.condition is not None:
        await conditional.hold(context, call.type)
        found = await conditional.one_match(context, call.type, call.condition)
        if found is not None:
            stored = await context.uow.resources.read(
                found.kind, found.id, visible=context.visible("s")
            )
            if stored is None:
                raise not_found()
            context.touched.append(stored)
            return Outcome("ok", stored=stored, changed=False)
    return await store(
        context,
        Change(
            type=call.type,
            id=new_id or context.engine.ids.new_id(),
            text=call.body,
            tree=call.tree,
            previous=None,
            interaction=call.interaction,
        ),
    )
