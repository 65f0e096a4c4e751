"""``$export`` of the system, of patients, of a Group: the kick-off of FHIR Bulk Data Access 2.0.

https://hl7.org/fhir/uv/bulkdata/export. Answered at once with the address that tells how far it is;
``services/export_preparing.py`` does the work, ``services/exports.py`` what is asked of it later.
"""

from __future__ import annotations

from app.core.clock import SECOND
from app.core.errors import AppError, Category
from app.fhir.json import Tree
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations import export_parameters
from app.interactions.operations.operation import Operation
from app.interactions.operations.target import target
from app.repositories.exports import ExportJob
from app.search.criteria import MAX_VALUES
from app.search.expression import Ids
from app.search.query import SearchQuery
from app.security import access, exporting
from app.services.export_asked import OF_PATIENTS, Asked

_GUIDE = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
_HOUR = 3600 * SECOND


async def export(context: Context, call: Call) -> Outcome:
    """Where to ask how far the export is."""
    principal, settings = context.principal, context.engine.settings
    allowed = exporting.types(principal)
    group = await target(context, call, action="s") if call.id is not None else None
    asked = export_parameters.read(call, base=settings.fhir_base, now=principal.at)
    if asked.types:
        exporting.check(principal, asked.types)
    within = None if call.type is None else OF_PATIENTS
    types = asked.types or tuple(name for name in allowed if within is None or name in within)
    if not types:
        raise access.forbidden()
    job = ExportJob(
        tenant=principal.tenant,
        id=context.engine.ids.new_id(),
        client=principal.client_id,
        started=principal.at,
        expires=principal.at + settings.export_hours * _HOUR,
        asked=Asked(
            request=f"{settings.origin}{context.facts.target}",
            scope=str(principal.scopes),
            types=types,
            group=call.id,
            patients=await _patients(context, group, asked.patients),
            since=asked.since,
            filters=asked.filters,
            elements=asked.elements,
            ignored=asked.ignored,
        ).dumps(),
    )
    exports = context.uow.exports
    running = await exports.running(job.tenant, job.client, now=principal.at)
    if running >= settings.export_jobs:
        raise AppError.of(
            Category.THROTTLED,
            "throttled",
            f"{running} exports of this client are being prepared",
            retry_after=5,
        )
    await exports.add(job)
    context.uow.audited.extend(
        context.engine.audit.success("export-started", principal, context.facts)
    )
    return Outcome("accepted", place=f"$export/{job.id}")


async def _patients(
    context: Context, group: Tree | None, named: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    """Whom it is about, as far as the caller sees them; who is hidden is as who never was."""
    wanted = named
    if group is not None:
        members = _members(group, base=context.engine.settings.fhir_base)
        wanted = members if named is None else tuple(each for each in named if each in members)
    if wanted is None:
        return None
    if len(wanted) > MAX_VALUES:
        raise AppError.of(
            Category.TOO_COSTLY, "too-costly", f"these are more than {MAX_VALUES} patients"
        )
    query = SearchQuery((context.kind("Patient"),), Ids(wanted), total="none")
    found = await context.uow.searches.matches(
        query, visible=context.visible("s"), limit=len(wanted)
    )
    return tuple(sorted(each.id for each in found))


def _members(group: Tree, *, base: str) -> tuple[str, ...]:
    entities = (
        member["entity"] for member in group.get("member", ()) if not member.get("inactive")
    )
    found = (export_parameters.patient(e.get("reference"), base=base) for e in entities)
    return tuple(each for each in found if each is not None)


OPERATION = Operation(
    name="export",
    definition=f"{_GUIDE}/export",
    definitions={"Patient": f"{_GUIDE}/patient-export", "Group": f"{_GUIDE}/group-export"},
    run=export,
    types=frozenset(("Patient",)),
    instance_types=frozenset(("Group",)),
    system_level=True,
    type_level=True,
    instance_level=True,
    writes=True,
)
