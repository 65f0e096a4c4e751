"""A change on its way to the record: checked by the rules of its type, then stored."""

from __future__ import annotations

from dataclasses import replace

from app.core.errors import AppError, Category, Issue
from app.fhir import json
from app.fhir.json import Tree
from app.fhir.registry import Interaction
from app.interactions.call import Outcome
from app.interactions.context import Context
from app.interactions.rules import BEFORE_STORE
from app.repositories.resources import StoredVersion
from app.services import labels, projections
from app.services.changes import Change

__all__ = ["Change", "check_rules", "check_version", "store"]


async def store(context: Context, change: Change) -> Outcome:
    """Runs the type's rules, checks that the caller may write what results, stores it."""
    for rule in BEFORE_STORE.get(change.type, ()):
        change = await rule(context.engine.services, context.uow, context.principal, change)
    tenant = context.principal.tenant
    inherited = await labels.inherited_from(context.uow, change.tree, change.type, tenant=tenant)
    stored, changed = context.engine.records.store(
        context.uow, replace(change, inherited=inherited), tenant=tenant
    )
    if changed and change.type in projections.DECIDING:
        await context.learn()
    context.touched.append(stored)
    created = change.previous is None or change.previous.deleted
    return Outcome("created" if created else "ok", stored=stored, changed=changed)


def check_version(if_match: int | None, current: int) -> None:
    """Refuses a change that was made for another version."""
    if if_match is not None and if_match != current:
        raise AppError.of(Category.PRECONDITION, "conflict", f"the current version is {current}")


async def check_rules(
    context: Context,
    type_name: str,
    id: str | None,
    tree: Tree,
    previous: StoredVersion | None,
) -> list[Issue]:
    """What the type's rules say of a resource that is not going to be stored."""
    change = Change(
        type=type_name,
        id=id or context.engine.ids.new_id(),
        text=json.dumps(tree),
        tree=tree,
        previous=previous,
        interaction=Interaction.UPDATE if previous else Interaction.CREATE,
    )
    try:
        for rule in BEFORE_STORE.get(type_name, ()):
            change = await rule(context.engine.services, context.uow, context.principal, change)
    except AppError as refusal:
        return list(refusal.issues)
    return []
