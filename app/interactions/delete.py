"""delete and conditional delete. https://hl7.org/fhir/R4/http.html#delete"""

from __future__ import annotations

from app.interactions import conditional
from app.interactions.call import Call, Outcome
from app.interactions.change import check_version
from app.interactions.context import Context
from app.interactions.refusals import hidden
from app.interactions.rules import WITH_END
from app.services.changes import content_of


async def delete(context: Context, call: Call) -> Outcome:
    """Ends a resource with a tombstone; its history stays. Deleting twice is no error."""
    call = await conditional.settle(context, call)
    assert call.type is not None
    if call.id is None:
        return Outcome("deleted")
    locked = await context.uow.resources.lock(
        context.kind(call.type), call.id, visible=context.visible("d")
    )
    if locked is None or (not locked.seen and context.principal.is_person):
        # What is hidden is answered like what never was.
        return Outcome("deleted")
    if not locked.seen:
        raise hidden(context)
    if locked.stored.deleted:
        return Outcome("deleted", stored=locked.stored)
    check_version(call, locked.stored)
    tenant = context.principal.tenant
    await context.engine.services.joint.check(
        context.uow, None, content_of(locked.stored), tenant=tenant
    )
    stored = context.engine.records.end(context.uow, locked.stored)
    if (end := WITH_END.get(call.type)) is not None:
        await end(context.uow, stored)
    context.touched.append(stored)
    return Outcome("deleted", stored=stored)
