"""``Patient/[id]/$accounting-of-disclosures``: who was told what of a client, when and why."""

from __future__ import annotations

from app.core.clock import SECOND, format_instant
from app.core.errors import AppError, Category
from app.fhir import bundles, json, parameters, primitives
from app.fhir.audit.event import as_told, render
from app.fhir.audit.kinds import KINDS, Shape
from app.fhir.audit.record import AuditRecord
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.target import target
from app.repositories.audit_queries import Question
from app.search.found import Whose
from app.search.visibility import Visible
from app.security import access, own_log
from app.services.operation_definitions import canonical, inputs

_NAME = "accounting-of-disclosures"
_SIX_YEARS = 2192 * 86_400 * SECOND
_MOST = 10_000
# Nobody is told anything by these.
_SILENT = frozenset(("audit-used", "audit-exported", "batch", "transaction", "capabilities"))
_TOLD = tuple(
    name
    for name, kind in KINDS.items()
    if (kind.shape in (Shape.READ, Shape.QUERY) and name not in _SILENT)
    or name in ("notification", "break-glass", "break-glass-ended")
)


async def accounting(context: Context, call: Call) -> Outcome:
    """The accesses of others to the client's record."""
    assert call.id is not None
    given = parameters.read(inputs(_NAME), body=call.body, query=call.query)
    role, own = context.principal.role, access.own_patient(context.principal)
    if not context.principal.scopes.allows("AuditEvent", "s"):  # the lead's role has no other way
        raise access.forbidden()
    if role != "auditor":
        if role != "clinical_lead" and own is None:
            raise access.forbidden()
        await target(context, call)
        if own not in (None, call.id):
            raise access.forbidden()
    now = context.engine.clock.now()
    start, end = given.get("start"), given.get("end")
    question = Question(
        patient=call.id,
        events=_TOLD,
        since=max(primitives.date_range(start)[0] if start else 0, now - _SIX_YEARS),
        until=primitives.date_range(end)[1] if end else None,
        failed=False,
        not_by_patient=True,
    )
    visible = Visible.everything(
        context.principal.tenant, reason="an account of disclosures is owed to who may ask for it"
    )
    if own is not None:
        visible = own_log.account_for(context.visible("r"))
    records = await context.uow.audit_queries.page(question, visible=visible, limit=_MOST + 1)
    if len(records) > _MOST:
        raise AppError.of(
            Category.TOO_COSTLY, "too-costly", f"more than {_MOST} disclosures: give start and end"
        )
    context.whose = Whose((call.id,))
    return Outcome("ok", document=_bundle(context, records, now))


def _bundle(context: Context, records: list[AuditRecord], now: int) -> bytes:
    base = context.engine.settings.fhir_base
    entries = [
        bundles.Entry(
            as_told(json.dumps(render(record))), full_url=f"{base}/AuditEvent/{record.id}"
        )
        for record in records
    ]
    return bundles.bundle("collection", entries, timestamp=format_instant(now))


OPERATION = Operation(
    name=_NAME,
    definition=canonical(_NAME),
    run=accounting,
    types=frozenset(("Patient",)),
    instance_level=True,
)
