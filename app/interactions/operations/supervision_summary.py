"""``Practitioner/[id]/$supervision-summary``: one therapist's figures, for who oversees them."""

from __future__ import annotations

from app.fhir import json, parameters
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.target import target
from app.security import access
from app.services.operation_definitions import canonical, inputs

_WHO = frozenset(("supervisor", "clinical_lead"))


async def supervision_summary(context: Context, call: Call) -> Outcome:
    """One cell for each instrument and scale; a supervisor's own supervisees only."""
    principal, service = context.principal, context.engine.services.supervision
    if principal.role not in _WHO or not principal.actor:
        raise access.forbidden()
    access.decide(principal, "Observation", "s")
    given = parameters.read(inputs("supervision-summary"), body=call.body, query=call.query)
    therapist = await target(context, call)
    if principal.role == "supervisor" and not await service.supervises(
        context.uow,
        principal.actor,
        f"Practitioner/{therapist['id']}",
        now=principal.at,
        tenant=principal.tenant,
    ):
        raise access.forbidden()
    found = await service.summary(
        context.uow, therapist["id"], scale=given.get("scale"), tenant=principal.tenant
    )
    return Outcome("ok", document=json.dumps(found))


OPERATION = Operation(
    name="supervision-summary",
    definition=canonical("supervision-summary"),
    run=supervision_summary,
    types=frozenset(("Practitioner",)),
    instance_level=True,
    writes=True,  # what was told is kept, for what is told next
)
