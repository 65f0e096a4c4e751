"""``Group/[id]/$couple-summary``: both partners side by side, for those who treat them alone."""

from __future__ import annotations

from app.fhir import json, parameters
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.target import target
from app.security import access
from app.services.operation_definitions import canonical, inputs

_WHO = frozenset(("therapist", "supervisor"))


async def couple_summary(context: Context, call: Call) -> Outcome:
    """Both series, their distance and the lower of them, per session."""
    if context.principal.role not in _WHO:
        raise access.forbidden()
    access.decide(context.principal, "Observation", "s")
    given = parameters.read(inputs("couple-summary"), body=call.body, query=call.query)
    couple = await target(context, call)
    found = await context.engine.services.couples.summary(
        context.uow, couple, scale=given.get("scale"), visible=context.visible("s")
    )
    return Outcome("ok", document=json.dumps(found))


OPERATION = Operation(
    name="couple-summary",
    definition=canonical("couple-summary"),
    run=couple_summary,
    types=frozenset(("Group",)),
    instance_level=True,
)
