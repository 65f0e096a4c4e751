"""``$explain-access``: whether somebody may see a resource, and the rule that decides."""

from __future__ import annotations

from app.core.errors import AppError, Category
from app.fhir import json, parameters, references
from app.fhir.registry import REGISTRY
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.refusals import not_found
from app.search.visibility import Visible
from app.security import access
from app.services import explaining
from app.services.operation_definitions import canonical, inputs

_MAY_ASK_OF_ANYBODY = frozenset(("auditor", "clinical_lead"))


async def explain_access(context: Context, call: Call) -> Outcome:
    """The decision, and because of what."""
    principal = context.principal
    given = parameters.read(
        inputs("explain-access", action=explaining.ACTIONS), body=call.body, query=call.query
    )
    action = explaining.ACTIONS[given.get("action") or "read"]
    base = context.engine.settings.fhir_base
    type_name, id = _named(given.get("resource"), "resource", base)
    if REGISTRY[type_name].store != "resource":
        raise _unusable("resource")
    by = given.get("actor")
    actor = "/".join(_named(by, "actor", base)) if by else principal.actor
    if actor != principal.actor and principal.role not in _MAY_ASK_OF_ANYBODY:
        raise access.forbidden()
    await _check_in_sight(context, type_name, id)
    who = None
    if actor is not None:
        who = await explaining.principal_of(
            context.uow, actor, asking=principal, purpose=given.get("purpose")
        )
    if who is None:
        raise not_found()
    found = await explaining.explain(context.uow, who, action, type_name, id)
    return Outcome(
        "ok",
        document=json.dumps(
            parameters.parameters(
                parameters.value("decision", "code", "permit" if found.permit else "deny"),
                [
                    parameters.group(
                        "because",
                        parameters.value("kind", "code", each.kind),
                        parameters.reference("reference", each.reference),
                        parameters.value("text", "string", each.text),
                    )
                    for each in found.because
                ],
            )
        ),
    )


async def _check_in_sight(context: Context, type_name: str, id: str) -> None:
    """An auditor may ask of all that there is, others of what they see themselves."""
    visible = context.visible("r")
    if context.principal.role == "auditor":
        visible = Visible.everything(context.principal.tenant, reason="auditors ask of anything")
    stored = await context.uow.resources.read(context.kind(type_name), id, visible=visible)
    if stored is None or stored.deleted:
        raise not_found()
    context.whose = stored.told


def _named(reference: json.Tree | None, name: str, base: str) -> tuple[str, str]:
    """The type and id of what a parameter names, however the reference is written."""
    kind, _, id = (references.local(reference, base) or "").partition("/")
    if kind not in REGISTRY:
        raise _unusable(name)
    return kind, id


def _unusable(name: str) -> AppError:
    return AppError.of(
        Category.UNPROCESSABLE,
        "value",
        "a reference to a resource of this server is expected",
        parameters.place_of(name),
    )


OPERATION = Operation(
    name="explain-access",
    definition=canonical("explain-access"),
    run=explain_access,
    system_level=True,
)
