"""One request, told in order.

Who may do this to this type at all; what the body says and whether it is right; then one unit
of work: the interaction runs over what the caller can see, its audit record joins it, and it
commits. Only then is there an answer. A refusal undoes the unit and is recorded by its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace

from app.core.errors import AppError, Category
from app.db.engine import UniqueViolation
from app.fhir import json, references, validation
from app.fhir.registry import Interaction, by_code
from app.interactions.bundle import entries
from app.interactions.bundle.batch import batch
from app.interactions.bundle.entries import Entry, Refused
from app.interactions.bundle.links import Links
from app.interactions.bundle.transaction import transaction
from app.interactions.call import Call, Outcome
from app.interactions.context import Context, Engine
from app.interactions.create import create
from app.interactions.delete import delete
from app.interactions.grounds import Decided, decided
from app.interactions.history import history
from app.interactions.operations import OPERATIONS
from app.interactions.patch import patch
from app.interactions.read import read, vread
from app.interactions.search import search
from app.interactions.update import update
from app.repositories.resources import StoredVersion
from app.repositories.unit_of_work import UnitOfWork
from app.search.found import NOBODY, together
from app.security import access
from app.security.authentication import Presumed
from app.security.principal import Principal

INTERACTIONS: Mapping[Interaction, Callable[[Context, Call], Awaitable[Outcome]]] = {
    Interaction.READ: read,
    Interaction.VREAD: vread,
    Interaction.CREATE: create,
    Interaction.UPDATE: update,
    Interaction.PATCH: patch,
    Interaction.DELETE: delete,
    Interaction.HISTORY_INSTANCE: history,
    Interaction.HISTORY_TYPE: history,
    Interaction.HISTORY_SYSTEM: history,
    Interaction.SEARCH_TYPE: search,
    Interaction.SEARCH_SYSTEM: search,
}
ACTIONS = {
    Interaction.READ: "r",
    Interaction.VREAD: "r",
    Interaction.HISTORY_INSTANCE: "r",
    Interaction.CREATE: "c",
    Interaction.UPDATE: "u",
    Interaction.PATCH: "u",
    Interaction.DELETE: "d",
    Interaction.HISTORY_TYPE: "s",
    Interaction.HISTORY_SYSTEM: "s",
    Interaction.SEARCH_TYPE: "s",
    Interaction.SEARCH_SYSTEM: "s",
}
WRITES = frozenset("cud")
QUERIES = (
    Interaction.SEARCH_TYPE,
    Interaction.SEARCH_SYSTEM,
    Interaction.HISTORY_TYPE,
    Interaction.HISTORY_SYSTEM,
)
# Answered from one statement, so that it matters to nobody which state the next would see.
_ONE_QUESTION = (Interaction.READ, Interaction.VREAD, Interaction.SEARCH_TYPE)
_NOTHING = Presumed()
_BODIES = (Interaction.CREATE, Interaction.UPDATE)
_TRIES = 3


async def run(
    engine: Engine, principal: Principal, call: Call, *, presumed: Presumed = _NOTHING
) -> Outcome:
    """Performs a call and records it; raises ``AppError`` for every refusal.

    Raises ``ProvisoFailed``, with nothing done, where what is presumed of the caller is not so.
    """
    try:
        if call.interaction is Interaction.BATCH:
            bundle = json.parse_resource(call.body)
            entries.check_envelope(bundle, most=engine.settings.max_bundle_entries)
            call = replace(call, interaction=Interaction(bundle["type"]), tree=bundle)
            return await _run_bundle(engine, principal, call)
        return await _in_unit(engine, principal, prepare(principal, call), presumed)
    except AppError as refusal:
        await _record_refusal(engine, principal, call, refusal, presumed)
        refusal.is_recorded = True
        raise


def prepare(principal: Principal, call: Call, *, links: Mapping[str, str] | None = None) -> Call:
    """Refuses what the caller may never do, and a body that is not right.

    ``links`` are given in a transaction: what stands for the links of its entries while they
    are checked; references by search are allowed there too.
    """
    if call.operation is None:
        access.decide(principal, call.type, ACTIONS[call.interaction])
        if call.condition is not None:
            access.decide(principal, call.type, "s")
    if call.interaction not in _BODIES or call.operation is not None:
        return call
    assert call.type is not None
    tree = call.tree if call.tree is not None else json.parse_resource(call.body)
    if tree.get("resourceType") != call.type:
        place = "resourceType" if "resourceType" not in tree else call.type
        raise AppError.of(Category.INVALID, "invalid", f"the body must be a {call.type}", place)
    linked = tree if links is None else references.rewrite(tree, links)
    issues = validation.check(linked, call.type, conditional=links is not None)
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return replace(call, tree=tree)


async def _in_unit(engine: Engine, principal: Principal, call: Call, presumed: Presumed) -> Outcome:
    stores = 1
    if call.operation is not None:
        operation = OPERATIONS[call.operation]
        writes, stores = operation.writes, operation.stores
    else:
        writes = ACTIONS[call.interaction] in WRITES

    async def work(uow: UnitOfWork) -> Outcome:
        context = Context(engine, principal, call.facts, uow)
        if presumed.concern is None:
            await context.learn()
            presumed.learnt(context.concern)
        else:
            context.concern = presumed.concern
        return await perform(context, call)

    def unit() -> AbstractAsyncContextManager[UnitOfWork]:
        if writes:
            return engine.units.write(
                principal.tenant, resources=stores, late=True, provisos=presumed.provisos
            )
        one_question = call.operation is None and call.interaction in _ONE_QUESTION
        return engine.units.read(
            principal.tenant, snapshot=not one_question, provisos=presumed.provisos
        )

    return await _attempt(unit, work)


async def _attempt(
    unit: Callable[[], AbstractAsyncContextManager[UnitOfWork]],
    work: Callable[[UnitOfWork], Awaitable[Outcome]],
) -> Outcome:
    """Does the work in a unit; once more where another request made the same id first."""
    for _ in range(_TRIES):
        with suppress(UniqueViolation):
            async with unit() as uow:
                return await work(uow)
    raise AppError.of(Category.CONFLICT, "conflict", "the resource is being changed")


async def perform(context: Context, call: Call) -> Outcome:
    """Runs one prepared call inside a unit of work and adds its audit record."""
    context.touched, context.whose, context.grounds = [], NOBODY, {}
    if call.operation is not None:
        outcome = await OPERATIONS[call.operation].run(context, call)
    else:
        outcome = await INTERACTIONS[call.interaction](context, call)
    found = None
    if call.operation is None and call.id and call.type and outcome.result != "created":
        found = await decided(context, ACTIONS[call.interaction], call.type, call.id)
    record(context, call, found)
    return outcome


def record(context: Context, call: Call, found: Decided | None = None) -> None:
    """Adds what a call did, and on what grounds, to the audit records of its unit of work."""
    touched = context.touched
    names = {f"{by_code(shown.kind).name}/{shown.id}" for shown in touched}
    is_named = len(names) == 1 and call.interaction not in QUERIES
    stored = {shown.told for shown in touched if isinstance(shown, StoredVersion)}
    context.uow.audited.extend(
        context.engine.audit.success(
            call.event,
            context.principal,
            context.facts,
            entity=names.pop() if is_named else None,
            version=touched[0].version if is_named and len(touched) == 1 else None,
            whose=together([context.whose, *stored]),
            opened={**context.grounds, **(found.grounds if found else {})},
        )
    )
    context.uow.audited.extend(found.records if found else ())


async def _run_bundle(engine: Engine, principal: Principal, call: Call) -> Outcome:
    assert call.tree is not None
    base = engine.settings.fhir_base
    found = entries.read(call.tree, facts=call.facts, base=base, strict=call.strict)
    if call.interaction is Interaction.TRANSACTION:
        return await _run_transaction(engine, principal, call, found)
    document = await batch(engine, principal, found, run, minimal=call.minimal)
    async with engine.units.read(principal.tenant) as uow:
        record(Context(engine, principal, call.facts, uow), call)
    return Outcome("ok", document=document)


async def _run_transaction(
    engine: Engine, principal: Principal, call: Call, found: Sequence[Entry | Refused]
) -> Outcome:
    planned = _planned(principal, found, engine.settings.fhir_base)

    async def work(uow: UnitOfWork) -> Outcome:
        context = Context(engine, principal, call.facts, uow)
        await context.learn()
        document = await transaction(context, planned, perform, minimal=call.minimal)
        context.touched, context.whose, context.grounds = [], NOBODY, {}
        record(context, call)
        return Outcome("ok", document=document)

    def unit() -> AbstractAsyncContextManager[UnitOfWork]:
        return engine.units.write(principal.tenant, resources=len(planned) + 1)

    return await _attempt(unit, work)


def _planned(principal: Principal, found: Sequence[Entry | Refused], base: str) -> list[Entry]:
    """Every entry prepared, or every problem of all of them."""
    targets = [entry for entry in found if isinstance(entry, Entry) and entry.writes]
    links = Links.to(((e.full_url, f"{e.call.type}/0") for e in targets if e.full_url), base=base)
    planned: list[Entry] = []
    refusals: list[AppError] = []
    for entry in found:
        if isinstance(entry, Refused):
            refusals.append(entry.error)
            continue
        try:
            planned.append(
                replace(entry, call=prepare(principal, entry.call, links=links.of(entry)))
            )
        except AppError as error:
            refusals.append(entries.at(error, entry.path))
    if refusals:
        issues = [issue for refusal in refusals for issue in refusal.issues]
        raise AppError(refusals[0].category, issues)
    return planned


async def _record_refusal(
    engine: Engine, principal: Principal, call: Call, refusal: AppError, presumed: Presumed
) -> None:
    target = f"{call.type}/{call.id}" if call.type and call.id else None
    async with engine.units.read(principal.tenant, provisos=presumed.provisos) as uow:
        found = None
        if refusal.category is Category.NOT_FOUND and call.type and call.id:
            found = await _denied(Context(engine, principal, call.facts, uow), call)
        uow.audited.extend(
            engine.audit.failure(
                call.event,
                principal,
                call.facts,
                error=refusal,
                entity=target,
                whose=found.told if found else NOBODY,
                opened=found.grounds if found else None,
            )
        )
        uow.audited.extend(found.records if found else ())


async def _denied(context: Context, call: Call) -> Decided | None:
    """The Consent that hid what was asked for, where one did."""
    if call.operation is not None or call.type is None or call.id is None:
        return None
    await context.learn()
    found = await decided(context, ACTIONS[call.interaction], call.type, call.id)
    return found if found and found.refuses else None
