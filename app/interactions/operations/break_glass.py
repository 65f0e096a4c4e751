"""``Patient/[id]/$break-glass``: an emergency lifts a missing care relationship for an hour.

It opens N and R data of one patient for reading, never what is private, labelled for violence or
a psychotherapy note. Where it would open nothing, for a Consent that denies emergencies too, the
patient is not there, as before. The record of it and the notice to the clinical lead are committed
before the first row is seen.
"""

from __future__ import annotations

from dataclasses import replace

from app.core.clock import SECOND, format_instant
from app.core.errors import AppError, Category
from app.fhir import json, parameters
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.refusals import not_found
from app.search.found import Whose
from app.search.visibility import Visible
from app.security import access, consents
from app.security.authentication import require_recent
from app.services.audit import Grounds
from app.services.operation_definitions import canonical, inputs

_REASONS = ("ETREAT", "BTG")


async def break_glass(context: Context, call: Call) -> Outcome:
    """When the emergency ends, and the record of it."""
    assert call.id is not None
    principal = context.principal
    if principal.role not in consents.MAY_BREAK_GLASS or principal.actor is None:
        raise access.forbidden()
    access.decide(principal, "Patient", "r")
    now = context.engine.clock.now()
    factors = context.uow.accounts.factors
    enrolled = await factors.enrolled(principal.tenant, principal.subject)
    require_recent(principal, now=now // SECOND, second_factor=enrolled)
    given = parameters.read(
        inputs("break-glass", reason=_REASONS), body=call.body, query=call.query
    )
    reason, note = given.get("reason"), (given.get("note") or "").strip()
    if reason == "BTG" and not note:
        raise AppError.of(
            Category.UNPROCESSABLE, "required", "say why: BTG needs a note", "Parameters.parameter"
        )
    tenant = principal.tenant
    visible = Visible.everything(tenant, reason="an emergency is about somebody not yet in sight")
    patient = await context.uow.resources.read(context.kind("Patient"), call.id, visible=visible)
    if patient is None or patient.deleted:
        raise not_found()
    since = now - now % SECOND  # requests are judged by the second
    emergencies = context.engine.services.emergencies
    expires = emergencies.until(since)
    await context.uow.consents.break_glass(
        principal.actor, call.id, tenant=tenant, since=since, until=expires, reason=reason
    )
    if not await _opens(context, call.id, now=now):
        raise not_found()  # and nothing was declared
    records = context.engine.audit.success(
        "break-glass",
        principal,
        context.facts,
        entity=f"Patient/{call.id}",
        whose=Whose((call.id,)),
        grounds=Grounds("break-glass"),
        detail={"reason": reason, "note": note, "expires": format_instant(expires)},
    )
    context.uow.audited.extend(records)
    emergencies.call_end(context.uow, records[0], until=expires)
    await emergencies.tell(context.uow, patient=call.id, by=principal.actor, at=now, tenant=tenant)
    context.whose = Whose((call.id,))
    return Outcome(
        "ok",
        document=json.dumps(
            parameters.parameters(
                parameters.value("expires", "dateTime", format_instant(expires)),
                parameters.reference("audit", f"AuditEvent/{records[0].id}"),
            )
        ),
    )


async def _opens(context: Context, patient: str, *, now: int) -> bool:
    """Whether the caller sees the patient by now: a token for another opens nothing."""
    declared = replace(context.concern, glass=True)
    sight = access.visible(replace(context.principal, at=now), "r", declared)
    found = await context.uow.resources.read(context.kind("Patient"), patient, visible=sight)
    return found is not None


OPERATION = Operation(
    name="break-glass",
    definition=canonical("break-glass"),
    run=break_glass,
    types=frozenset(("Patient",)),
    instance_level=True,
    writes=True,
    get=False,
)
