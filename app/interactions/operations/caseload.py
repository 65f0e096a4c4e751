"""``Practitioner/[id]/$caseload``: a therapist's clients, newest unresolved alert first."""

from __future__ import annotations

from app.fhir import json, parameters
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.target import target
from app.security import access
from app.services.operation_definitions import canonical, inputs


async def caseload(context: Context, call: Call) -> Outcome:
    """The open courses of a therapist that the caller may see."""
    for type_name in ("EpisodeOfCare", "DetectedIssue"):  # so it is for staff, never for clients
        access.decide(context.principal, type_name, "s")
    parameters.read(inputs("caseload"), body=call.body, query=call.query)
    practitioner = await target(context, call)
    found = await context.engine.services.caseloads.caseload(
        context.uow, practitioner["id"], visible=context.visible("s")
    )
    return Outcome("ok", document=json.dumps(found))


OPERATION = Operation(
    name="caseload",
    definition=canonical("caseload"),
    run=caseload,
    types=frozenset(("Practitioner",)),
    instance_level=True,
)
