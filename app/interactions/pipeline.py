"""One request, told in order.

Who may do this to this type at all; what the body says and whether it is right; then one unit
of work: the interaction runs over what the caller can see, its audit record joins it, and it
commits. Only then is there an answer. A refusal undoes the unit and is recorded by its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace

from app.core.errors import AppError, Category, Issue
from app.db.engine import UniqueViolation
from app.fhir import json, validation
from app.fhir.registry import Interaction, by_code
from app.interactions.bundle import entries
from app.interactions.bundle.batch import batch
from app.interactions.bundle.entries import Entry
from app.interactions.bundle.transaction import transaction
from app.interactions.call import Call, Outcome
from app.interactions.context import Context, Engine
from app.interactions.create import create
from app.interactions.delete import delete
from app.interactions.history import history
from app.interactions.operations import OPERATIONS
from app.interactions.patch import patch
from app.interactions.read import read, vread
from app.interactions.search import search
from app.interactions.update import update
from app.repositories.unit_of_work import UnitOfWork
from app.security import access
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
_BODIES = (Interaction.CREATE, Interaction.UPDATE)
_TRIES = 3


async def run(engine: Engine, principal: Principal, call: Call) -> Outcome:
    """Performs a call and records it; raises ``AppError`` for every refusal."""
    try:
        if call.interaction in (Interaction.BATCH, Interaction.TRANSACTION):
            return await _run_bundle(engine, principal, call)
        call = prepare(principal, call)
        return await _in_unit(engine, principal, call)
    except AppError as refusal:
        await _record_refusal(engine, principal, call, refusal)
        raise


def prepare(principal: Principal, call: Call, *, conditional: bool = False) -> Call:
    """Refuses what the caller may never do, and a body that is not right.

    ``conditional`` lets references be searches, as in a transaction.
    """
    if call.operation is None:
        action = ACTIONS[call.interaction]
        access.decide(principal, call.type, action)
        if call.condition is not None or (action in WRITES and call.id is None and call.query):
            access.decide(principal, call.type, "s")
    if call.interaction not in _BODIES or call.operation is not None:
        return call
    assert call.type is not None
    tree = call.tree if call.tree is not None else json.parse_resource(call.body)
    if tree.get("resourceType") != call.type:
        raise AppError.of(
            Category.INVALID,
            "invalid",
            f"the body must be a {call.type}",
            "resourceType" if "resourceType" not in tree else call.type,
        )
    issues = validation.check(tree, call.type, conditional=conditional)
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return replace(call, tree=tree)


async def _in_unit(engine: Engine, principal: Principal, call: Call) -> Outcome:
    if call.operation is not None:
        writes = OPERATIONS[call.operation].writes
    else:
        writes = ACTIONS[call.interaction] in WRITES

    async def work(uow: UnitOfWork) -> Outcome:
        context = Context(engine, principal, call.facts, uow)
        await context.learn()
        return await perform(context, call)

    return await _attempt(lambda: engine.units.write() if writes else engine.units.read(), work)


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
    context.touched, context.patients = [], ()
    if call.operation is not None:
        outcome = await OPERATIONS[call.operation].run(context, call)
    else:
        outcome = await INTERACTIONS[call.interaction](context, call)
    record(context, call)
    return outcome


def record(context: Context, call: Call) -> None:
    """Adds what a call did to the audit records of its unit of work."""
    named = context.touched[0] if len(context.touched) == 1 else None
    one = named if call.interaction not in QUERIES else None
    patients = {*context.patients, *(p for stored in context.touched for p in stored.patients)}
    context.uow.audited.extend(
        context.engine.audit.success(
            call.event,
            context.principal,
            context.facts,
            entity=f"{by_code(one.kind).name}/{one.id}" if one else None,
            version=one.version if one else None,
            patients=sorted(patients),
        )
    )


async def _run_bundle(engine: Engine, principal: Principal, call: Call) -> Outcome:
    bundle = json.parse_resource(call.body)
    if bundle.get("resourceType") != "Bundle":
        raise AppError.of(Category.INVALID, "invalid", "the body must be a Bundle")
    too_many = entries.too_many(bundle, engine.settings.max_bundle_entries)
    if too_many:
        raise AppError(Category.TOO_LARGE, [too_many])
    kind = bundle.get("type")
    if kind not in ("batch", "transaction"):
        raise AppError.of(
            Category.UNPROCESSABLE, "value", "a batch or a transaction is expected", "Bundle.type"
        )
    issues = validation.check(bundle, "Bundle", entries=False)
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    parsed = list(
        entries.entries(
            bundle, facts=call.facts, base=engine.settings.fhir_base, strict=call.strict
        )
    )
    if kind == "batch":
        return Outcome(
            "ok", document=await batch(engine, principal, parsed, run, minimal=call.minimal)
        )
    return await _run_transaction(engine, principal, call, parsed)


async def _run_transaction(
    engine: Engine, principal: Principal, call: Call, parsed: list[Entry | tuple[int, AppError]]
) -> Outcome:
    planned, refusals = [], []
    for item in parsed:
        if not isinstance(item, Entry):
            refusals.append(item[1])
            continue
        try:
            planned.append(replace(item, call=prepare(principal, item.call, conditional=True)))
        except AppError as error:
            refusals.append(entries.at(error, item.path))
    if refusals:
        raise _all_of(refusals)

    async def work(uow: UnitOfWork) -> Outcome:
        context = Context(engine, principal, call.facts, uow)
        await context.learn()
        document = await transaction(context, planned, perform, minimal=call.minimal)
        context.touched, context.patients = [], ()
        record(context, replace(call, interaction=Interaction.TRANSACTION))
        return Outcome("ok", document=document)

    return await _attempt(lambda: engine.units.write(resources=len(planned) + 1), work)


def _all_of(refusals: list[AppError]) -> AppError:
    issues: list[Issue] = [issue for refusal in refusals for issue in refusal.issues]
    return AppError(refusals[0].category, issues)


async def _record_refusal(
    engine: Engine, principal: Principal, call: Call, refusal: AppError
) -> None:
    target = f"{call.type}/{call.id}" if call.type and call.id else None
    async with engine.units.read() as uow:
        uow.audited.extend(
            engine.audit.failure(call.event, principal, call.facts, error=refusal, entity=target)
        )
