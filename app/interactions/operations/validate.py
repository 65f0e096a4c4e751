"""``$validate``: what a write would say of a resource, without writing.

https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from __future__ import annotations

from app.core.errors import AppError, Category, Issue, Severity
from app.fhir import json, validation
from app.fhir.json import Tree
from app.fhir.outcome import operation_outcome
from app.interactions.call import Call, Outcome
from app.interactions.change import check_rules
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.refusals import not_found
from app.security import access

_MODES = ("create", "update", "delete", "profile")


async def validate(context: Context, call: Call) -> Outcome:
    """An OperationOutcome with every problem, warnings too; the answer itself is a success."""
    assert call.type is not None
    access.decide(context.principal, call.type, "c" if call.id is None else "u")
    stored = None
    if call.id is not None:
        stored = await context.uow.resources.read(
            context.kind(call.type), call.id, visible=context.visible("r")
        )
        if stored is None or stored.deleted:
            raise not_found()
        context.touched.append(stored)
    mode, tree = _input(call)
    if mode == "delete":
        return _answer(())
    if tree is None:
        if stored is None:
            raise AppError.of(
                Category.INVALID, "required", "a resource is needed", "Parameters.parameter"
            )
        tree = json.parse_resource(stored.text)
    if tree.get("resourceType") != call.type:
        return _answer([Issue("invalid", f"the resource must be a {call.type}", "resourceType")])
    issues = list(validation.check(tree, call.type, warnings=True))
    if not any(issue.severity in (Severity.ERROR, Severity.FATAL) for issue in issues):
        issues += await check_rules(context, call.type, call.id, tree, stored)
    return _answer(issues)


def _input(call: Call) -> tuple[str | None, Tree | None]:
    mode = next((value for name, value in call.query if name == "mode"), None)
    if not call.body:
        return mode, None
    body = json.parse_resource(call.body)
    if body.get("resourceType") != "Parameters":
        return mode, body
    tree = None
    for parameter in body.get("parameter") or ():
        match parameter.get("name"):
            case "resource":
                tree = parameter.get("resource")
            case "mode":
                mode = parameter.get("valueCode")
    if mode is not None and mode not in _MODES:
        raise AppError.of(Category.INVALID, "value", "unknown mode", "Parameters.parameter")
    return mode, tree


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
