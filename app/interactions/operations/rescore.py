"""``QuestionnaireResponse/[id]/$rescore``: answers scored again, by the definitions in use now."""

from __future__ import annotations

from app.core.errors import AppError, Category
from app.fhir import bundles, parameters
from app.fhir.registry import REGISTRY
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.target import target
from app.security import access
from app.services.operation_definitions import canonical, inputs
from app.services.scoring import COUNTED


async def rescore(context: Context, call: Call) -> Outcome:
    """A collection of the scores; one that differs has a new version, the old stays in history."""
    assert call.id is not None
    access.decide(context.principal, "Observation", "u")
    parameters.read(inputs("rescore"), body=call.body, query=call.query)
    response = await target(context, call)
    if response.get("status") not in COUNTED:
        raise AppError.of(
            Category.UNPROCESSABLE,
            "business-rule",
            "only answers that are complete are scored",
            "QuestionnaireResponse.status",
        )
    uow, tenant = context.uow, context.principal.tenant
    scores = await context.engine.services.rescoring.again(uow, call.id, tenant=tenant)
    base, found = context.engine.settings.fhir_base, []
    for id in scores:
        stored = await uow.resources.read(
            REGISTRY["Observation"].code, id, visible=context.visible("r")
        )
        if stored is not None and not stored.deleted:
            context.touched.append(stored)
            url = f"{base}/Observation/{stored.id}"
            found.append(bundles.Entry(resource=stored.text, full_url=url))
    return Outcome("ok", document=bundles.bundle("collection", found))


OPERATION = Operation(
    name="rescore",
    definition=canonical("rescore"),
    run=rescore,
    types=frozenset(("QuestionnaireResponse",)),
    instance_level=True,
    writes=True,
    get=False,
    stores=64,
)
