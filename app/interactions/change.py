"""A change on its way to the record: checked by the rules of its type, then stored."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from app.core.errors import AppError, Category, Issue
from app.fhir import json, references
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY, Interaction
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.rules import BEFORE_STORE, WITH_STORE
from app.repositories.versions import StoredVersion, as_seen
from app.search import indexer
from app.search.found import Whose
from app.search.visibility import Visible
from app.security import access, authorship, consents
from app.services import labels, projections
from app.services.changes import Change, Kept, content_of

__all__ = ["Change", "check_rules", "check_version", "store"]

_PATIENT = REGISTRY["Patient"].code


async def store(context: Context, change: Change, *, action: str) -> Outcome:
    """Runs the type's rules, stores the change, checks that the caller may write what results.

    ``action`` is the SMART letter under which it is written: ``c`` or ``u``.
    """
    given = change
    for rule in BEFORE_STORE.get(change.type, ()):
        change = await rule(context.engine.services, context.uow, context.principal, change)
    tenant, services = context.principal.tenant, context.engine.services
    base = context.engine.settings.fhir_base
    inherited = await labels.inherited_from(
        context.uow, change.tree, change.type, visible=_made_from(context), base=base
    )
    stored, changed = context.engine.records.store(
        context.uow, replace(change, inherited=inherited), tenant=tenant
    )
    if (keep := WITH_STORE.get(change.type)) is not None:
        kept = Kept(given, change, stored, changed)
        await keep(services, context.uow, context.principal, kept)
    if changed and change.type in projections.DECIDING:
        await context.learn()
    before = content_of(change.previous)
    if changed:
        await _check_reach(context, change, before, stored, action)
        _check_authors(context, change, before)
        await _check_courses(context, change, before)
    # Last: that a couple has separated is told to those only who may write of them.
    members = await services.joint.check(context.uow, change.tree, before, tenant=tenant)
    if members:
        stored = replace(stored, whose=Whose(stored.patients, members))
    stored = as_seen(stored, context.visible(action))
    context.touched.append(stored)
    is_new = change.previous is None or change.previous.deleted
    issues = tuple(projections.warnings(change.tree, change.type, base=base))
    return Outcome("created" if is_new else "ok", stored=stored, issues=issues)


def _but_in_emergency(context: Context) -> Visible:
    return consents.but_in_emergency(access.in_sight_of_role(context.principal, context.concern))


def _made_from(context: Context) -> Visible:
    """What the writer can have made something from: systems bring what others wrote."""
    if context.principal.is_person:
        return access.in_sight_of_role(context.principal, context.concern)
    return labels.all_of(context.principal.tenant)


async def _check_reach(
    context: Context, change: Change, before: Tree, stored: StoredVersion, action: str
) -> None:
    """Refuses a version out of the writer's reach: what would be another's, or of no scope.

    Labels do not count: who may not see what is very restricted may still write it.
    """
    joint, previous = context.engine.services.joint, change.previous
    access.check_owners(
        context.principal,
        before=previous.patients if previous is not None else None,
        after=stored.patients,
    )
    groups = joint.groups(change.tree)
    if before:
        access.check_couples(context.principal, before=joint.groups(before), after=groups)
    if not await context.uow.resources.reaches(stored, visible=context.visible(action)):
        raise access.forbidden()
    if previous is None and context.principal.is_person:
        await _check_patients(context, stored, groups)


def _check_authors(context: Context, change: Change, before: Tree) -> None:
    if not context.principal.is_person:
        return  # systems bring what others wrote
    base = context.engine.settings.fhir_base
    stood = indexer.authors(before, change.type, base=base) if before else None
    stand = indexer.authors(change.tree, change.type, base=base)
    authorship.check_authors(context.principal, change.type, before=stood, after=stand)


async def _check_patients(context: Context, made: StoredVersion, groups: Collection[str]) -> None:
    """Refuses what a person makes about a patient, or a couple, who is not there for them.

    Whoever may write of everybody is refused where a Consent denies it; were they not refused
    where there is no patient, the refusal would tell that there is one. Systems load in any order.
    """
    own = {f"Patient/{access.own_patient(context.principal)}", *context.making}
    if made.kind == _PATIENT:
        own.add(f"Patient/{made.id}")
    within = _but_in_emergency(context)
    if made.kind not in within.denials:  # a Consent, which no denial closes
        within = replace(within, denials={})
    for group in set(groups) - own:  # hidden ones are out of reach
        await _check_there(context, group, within=None)
    for patient in {f"Patient/{id}" for id in made.patients} - own:
        await _check_there(context, patient, within=within)


async def _check_courses(context: Context, change: Change, before: Tree) -> None:
    """Refuses a person's session in a course that is not there for them: there it would count.

    What it was part of it stays part of. Systems load in any order.
    """
    if change.type != "Encounter" or not context.principal.is_person:
        return
    base, within = context.engine.settings.fhir_base, _but_in_emergency(context)
    for course in _courses(change.tree, base) - _courses(before, base) - context.making:
        await _check_there(context, course, within=within)


async def _check_there(context: Context, named: str, *, within: Visible | None) -> None:
    """Refuses what (``Type/id``) is not there, or is out of reach, without telling which."""
    kind, _, id = named.partition("/")
    resources, tenant = context.uow.resources, context.principal.tenant
    unknown = Visible.everything(tenant, reason="is it there, whatever the scope")
    found = await resources.read(context.kind(kind), id, visible=unknown)
    if found is None or found.deleted:
        raise access.forbidden()
    if within is not None and not await resources.reaches(found, visible=within):
        raise access.forbidden()


def _courses(encounter: Tree, base: str) -> frozenset[str]:
    """The courses (``EpisodeOfCare/x``) that a session belongs to."""
    named = (references.local(each, base) for each in encounter.get("episodeOfCare", ()))
    return frozenset(each for each in named if each and each.startswith("EpisodeOfCare/"))


def check_version(call: Call, current: StoredVersion | None) -> None:
    """Refuses a change that was made for another version, or for none."""
    wanted, unwanted = call.if_match, call.if_none_match
    version = current.version if current is not None else 0
    there = current is not None and not current.deleted
    if wanted is not None and not wanted.include(version, there=there):
        raise _precondition("it is not the version that the change was made for")
    if unwanted is not None and there and unwanted.include(version):
        raise _precondition("the resource exists")


def _precondition(text: str) -> AppError:
    return AppError.of(Category.PRECONDITION, "conflict", text)


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
