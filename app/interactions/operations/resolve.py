"""``DetectedIssue/[id]/$resolve``: a clinician's step in the work on an alert."""

from __future__ import annotations

from app.core.clock import format_instant
from app.fhir import json, parameters
from app.fhir.registry import Interaction
from app.interactions.call import Call, Outcome
from app.interactions.change import Change, store
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.refusals import gone, not_found
from app.security import access
from app.services import alert_steps
from app.services.operation_definitions import canonical, inputs

_WHO = frozenset(("therapist", "supervisor", "clinical_lead"))


async def resolve(context: Context, call: Call) -> Outcome:
    """The alert after the step."""
    assert call.id is not None
    principal = context.principal
    access.decide(principal, "DetectedIssue", "u")
    if principal.role not in _WHO or not principal.actor:
        raise access.forbidden()
    given = parameters.read(
        inputs("resolve", status=alert_steps.STEPS), body=call.body, query=call.query
    )
    status, note = given.get("status"), (given.get("note") or "").strip() or None
    locked = await context.uow.resources.lock(
        context.kind("DetectedIssue"), call.id, visible=context.visible("u")
    )
    if locked is None or not locked.seen:
        raise not_found()
    if locked.stored.deleted:
        raise gone()
    before = json.parse_resource(locked.stored.text)
    alert_steps.check_step(before, status, note)
    now = format_instant(context.engine.clock.now())
    tree = alert_steps.resolved(
        before, alert_steps.step(status, note, date=now, author=principal.actor)
    )
    change = Change(
        type="DetectedIssue",
        id=call.id,
        text=json.dumps(tree),
        tree=tree,
        previous=locked.stored,
        interaction=Interaction.UPDATE,
    )
    return await store(context, change, action="u")


OPERATION = Operation(
    name="resolve",
    definition=canonical("resolve"),
    run=resolve,
    types=frozenset(("DetectedIssue",)),
    instance_level=True,
    writes=True,
    get=False,
)
