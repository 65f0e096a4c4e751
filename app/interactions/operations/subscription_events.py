"""``Subscription/[id]/$events``: what was told before, as far as the caller may see it now.

https://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition-backport-subscription-events.html
"""

from __future__ import annotations

from app.fhir import backport
from app.fhir.backport import CONTENTS, GUIDE
from app.fhir.notifications import notification
from app.fhir.parameters import Input, read
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.subscription_status import told_of
from app.interactions.operations.target import target
from app.services import matching

_INPUTS = (
    Input("eventsSinceNumber", "integer64"),
    Input("eventsUntilNumber", "integer64"),
    Input("content", "code", codes=frozenset(CONTENTS)),
)
_MOST = 1000  # events in one answer; the next begin after the last of them


async def events(context: Context, call: Call) -> Outcome:
    """A notification of the events between two numbers, both included."""
    tree = await target(context, call)
    assert call.id is not None
    given = read(_INPUTS, body=call.body, query=call.query)
    content = given.get("content") or backport.asked(tree).content
    until, since = given.get("eventsUntilNumber"), given.get("eventsSinceNumber")
    standing = await context.uow.subscriptions.find(context.principal.tenant, call.id)
    told = []
    if standing is not None:
        found = await context.uow.events.numbered(
            standing.tenant,
            standing.id,
            since=since or 0,
            until=standing.number if until is None else until,
            limit=_MOST,
        )
        told = await matching.happened(
            context.uow, found, (context.visible("s"), context.visible("r")), content=content
        )
        context.touched.extend(stored for _, _, stored in told)
    document = notification(
        await told_of(context, tree),
        "query-event",
        base=context.engine.settings.fhir_base,
        ids=(context.engine.ids.new_id(), context.engine.ids.new_id()),
        now=context.engine.clock.now(),
        content=content,
        happened=[happened for _, happened, _ in told],
    )
    return Outcome("ok", document=document)


OPERATION = Operation(
    name="events",
    definition=f"{GUIDE}/OperationDefinition/backport-subscription-events",
    run=events,
    types=frozenset(("Subscription",)),
    instance_level=True,
)
