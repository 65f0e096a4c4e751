"""The resource that an operation is called on."""

from __future__ import annotations

from app.fhir import json
from app.fhir.json import Tree
from app.interactions.call import Call
from app.interactions.context import Context
from app.interactions.refusals import gone, not_found
from app.security import access


async def target(context: Context, call: Call, *, action: str = "r") -> Tree:
    """The instance, if the caller may see it.

    Raises ``forbidden`` where the caller may never do this to the type, ``not-found`` where the
    resource is hidden or absent, ``gone`` where it was deleted and the caller could see it.
    """
    assert call.type is not None and call.id is not None
    access.decide(context.principal, call.type, action)
    stored = await context.uow.resources.read(
        context.kind(call.type), call.id, visible=context.visible(action)
    )
    if stored is None:
        raise not_found()
    if stored.deleted:
        raise gone()
    context.touched.append(stored)
    return json.parse_resource(stored.text)
