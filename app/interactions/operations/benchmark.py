"""``Organization/[id]/$benchmark``: a clinic's figures, safe for each of its clients."""

from __future__ import annotations

from app.fhir import json, parameters
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.target import target
from app.security import access
from app.services.operation_definitions import canonical, inputs

_WHO = frozenset(
    ("therapist", "co_therapist", "supervisor", "clinical_lead", "researcher", "admin", "system")
)


async def benchmark(context: Context, call: Call) -> Outcome:
    """One cell for each instrument and scale that anybody was rated by."""
    principal = context.principal
    if principal.role not in _WHO or not principal.scopes.allows("Observation", "s"):
        raise access.forbidden()
    given = parameters.read(inputs("benchmark"), body=call.body, query=call.query)
    organization = await target(context, call)
    found = await context.engine.services.benchmarks.benchmark(
        context.uow, organization["id"], scale=given.get("scale"), tenant=principal.tenant
    )
    return Outcome("ok", document=json.dumps(found))


OPERATION = Operation(
    name="benchmark",
    definition=canonical("benchmark"),
    run=benchmark,
    types=frozenset(("Organization",)),
    instance_level=True,
    writes=True,  # what was told is kept, for what is told next
)
