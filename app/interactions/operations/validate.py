"""``$validate``: what a write would say of a resource, without writing.

https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from __future__ import annotations

from app.core.errors import AppError, Category, Issue, Severity
from app.fhir import json, validation
from app.fhir.capability import DEFINITIONS
from app.fhir.json import Tree
from app.fhir.outcome import operation_outcome
from app.fhir.parameters import Input, read
from app.interactions.call import Call, Outcome
from app.interactions.change import check_rules
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.refusals import gone, not_found
from app.repositories.resources import StoredVersion
from app.security import access

_INPUTS = (
    Input("resource", "resource"),
    Input("mode", "code", codes=frozenset(("create", "update", "delete", "profile"))),
    Input("profile", "uri"),
)


async def validate(context: Context, call: Call) -> Outcome:
    """An OperationOutcome with every problem, warnings too; the answer itself is a success."""
    assert call.type is not None
    given = read(_INPUTS, body=call.body, query=call.query)
    stored = await _stored(context, call)
    mode, tree = given.get("mode"), given.get("resource")
    if mode == "delete":
        return _answer(())
    if mode == "create" and stored is not None:
        raise AppError.of(
            Category.UNPROCESSABLE, "invalid", "what exists already is not created", "Parameters"
        )
    if tree is None:
        if stored is None:
            raise AppError.of(
                Category.UNPROCESSABLE, "required", "resource is needed", "Parameters.parameter"
            )
        tree = json.parse_resource(stored.text)
    return _answer(
        [
            *_profile_issues(call.type, given.get("profile")),
            *await _issues(context, call.type, tree, stored),
        ]
    )


async def _stored(context: Context, call: Call) -> StoredVersion | None:
    """The instance that it is called on; it takes the right to write one."""
    assert call.type is not None
    access.decide(context.principal, call.type, "c" if call.id is None else "u")
    if call.id is None:
        return None
    stored = await context.uow.resources.read(
        context.kind(call.type), call.id, visible=context.visible("r")
    )
    if stored is None:
        raise not_found()
    if stored.deleted:
        raise gone()
    context.touched.append(stored)
    return stored


async def _issues(
    context: Context, type_name: str, tree: Tree, stored: StoredVersion | None
) -> list[Issue]:
    if tree.get("resourceType") != type_name:
        return [Issue("invalid", f"the resource must be a {type_name}", "resourceType")]
    issues = list(validation.check(tree, type_name, warnings=True))
    if stored is not None and tree.get("id", stored.id) != stored.id:
        issues.append(Issue("invalid", "the id is not that of the address", f"{type_name}.id"))
    if not any(issue.severity in (Severity.ERROR, Severity.FATAL) for issue in issues):
        id = stored.id if stored else None
        issues += await check_rules(context, type_name, id, tree, stored)
    return issues


def _profile_issues(type_name: str, profile: str | None) -> list[Issue]:
    """A profile that is not known is not checked, and that is said."""
    base = f"{DEFINITIONS}/StructureDefinition/"
    if profile is None or profile.partition("|")[0] in (base + type_name, base + "DomainResource"):
        return []
    return [Issue("not-supported", "this profile is not known here", "", Severity.ERROR)]


def _answer(issues: list[Issue] | tuple[Issue, ...]) -> Outcome:
    return Outcome("ok", document=json.dumps(operation_outcome(issues)))


OPERATION = Operation(
    name="validate",
    definition="http://hl7.org/fhir/OperationDefinition/Resource-validate",
    run=validate,
    type_level=True,
    instance_level=True,
    get=False,
)
