"""patch: JSON Patch, FHIRPath Patch, merge patch. https://hl7.org/fhir/R4/http.html#patch"""

from __future__ import annotations

from app.core.errors import AppError, Category
from app.fhir import json, validation
from app.fhir.json import Tree
from app.fhir.patch import fhirpath_patch, json_patch, merge_patch
from app.interactions import conditional
from app.interactions.call import Call, Outcome, PatchFormat
from app.interactions.change import Change, check_version, store
from app.interactions.context import Context
from app.interactions.refusals import gone, hidden, not_found

_APPLY = {
    PatchFormat.JSON_PATCH: json_patch.apply,
    PatchFormat.FHIRPATH_PATCH: fhirpath_patch.apply,
    PatchFormat.MERGE_PATCH: merge_patch.apply,
}
_OWNED = ("resourceType", "id")


async def patch(context: Context, call: Call) -> Outcome:
    """Changes the current version; the result is checked like any other update."""
    call = await conditional.settle(context, call)
    assert call.type is not None
    if call.id is None:
        raise not_found()
    locked = await context.uow.resources.lock(
        context.kind(call.type), call.id, visible=context.visible("u")
    )
    if locked is None:
        raise not_found()
    if not locked.seen:
        raise hidden(context)
    if locked.stored.deleted:
        raise gone()
    check_version(call, locked.stored)
    after = _changed(call, json.parse_resource(locked.stored.text))
    change = Change(
        type=call.type,
        id=call.id,
        text=json.dumps(after),
        tree=after,
        previous=locked.stored,
        interaction=call.interaction,
    )
    return await store(context, change, action="u")


def _changed(call: Call, before: Tree) -> Tree:
    """The resource with the patch applied; it must still be one."""
    assert call.type is not None and call.patch_format is not None
    given = call.tree if call.tree is not None else json.parse(call.body)
    after = _APPLY[call.patch_format](before, given)
    _check_owned(call.type, before, after)
    issues = validation.check(after, call.type)
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return after


def _check_owned(type_name: str, before: Tree, after: Tree) -> None:
    for name in _OWNED:
        if after.get(name) != before.get(name):
            raise AppError.of(
                Category.UNPROCESSABLE,
                "business-rule",
                f"{name} cannot be changed",
                f"{type_name}.{name}",
            )
