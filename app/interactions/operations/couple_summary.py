"""``Group/[id]/$couple-summary``: both partners side by side, for those who treat them alone."""

from __future__ import annotations

from app.fhir import json, parameters
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.seeing import owed_of
from app.interactions.operations.target import target
from app.security import access
from app.services.couples import partners
from app.services.operation_definitions import canonical, inputs

_WHO = frozenset(("therapist", "supervisor"))


async def couple_summary(context: Context, call: Call) -> Outcome:
    """Both series, their distance and the lower of them, per session.

    Without the sessions of which the caller has still to say how they saw them.
    """
    if context.principal.role not in _WHO:
        raise access.forbidden()
    access.decide(context.principal, "Observation", "s")
    given = parameters.read(inputs("couple-summary"), body=call.body, query=call.query)
    couple = await target(context, call)
    # A session of both is owed a view of whichever partner's form waits.
    base = context.engine.settings.fhir_base
    owed = [await owed_of(context, patient) for patient in partners(couple, base)]
    found = await context.engine.services.couples.summary(
        context.uow,
        couple,
        scale=given.get("scale"),
        visible=context.visible("s"),
        owed=frozenset().union(*owed),
    )
    return Outcome("ok", document=json.dumps(found))


OPERATION = Operation(
    name="couple-summary",
    definition=canonical("couple-summary"),
    run=couple_summary,
    types=frozenset(("Group",)),
    instance_level=True,
)
