"""``QuestionnaireResponse/$score``: what answers score, without storing anything."""

from __future__ import annotations

from app.core.errors import AppError, Category
from app.fhir import bundles, json, parameters, validation
from app.fhir.json import Tree
from app.fhir.registry import Interaction
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.target import target
from app.security import access
from app.services.changes import Change
from app.services.operation_definitions import canonical, inputs


async def score(context: Context, call: Call) -> Outcome:
    """A collection of the Observations that the answers score."""
    access.decide(context.principal, "Observation", "r")
    response = await _response(context, call)
    scoring = context.engine.services.scoring
    found = await scoring.scores(context.uow, response, tenant=context.principal.tenant)
    if not found:
        raise AppError.of(
            Category.UNPROCESSABLE,
            "not-found",
            "no scoring key in use is for this questionnaire",
            "QuestionnaireResponse.questionnaire",
        )
    base = context.engine.settings.fhir_base
    return Outcome(
        "ok",
        document=bundles.bundle(
            "collection",
            [
                bundles.Entry(
                    resource=json.dumps(tree), full_url=f"{base}/Observation/{tree['id']}"
                )
                for tree in found
            ],
        ),
    )


async def _response(context: Context, call: Call) -> Tree:
    given = parameters.read(inputs("score"), body=call.body, query=call.query)
    if call.id is not None:
        return await target(context, call)
    access.decide(context.principal, "QuestionnaireResponse", "r")
    response = given.get("response")
    if response is None:
        raise AppError.of(
            Category.UNPROCESSABLE,
            "required",
            "response is needed",
            parameters.place_of("response"),
        )
    issues = validation.check(response, "QuestionnaireResponse")
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    change = Change(
        type="QuestionnaireResponse",
        id=response.get("id") or context.engine.ids.new_id(),
        text=call.body,
        tree=response,
        previous=None,
        interaction=Interaction.CREATE,
    )
    questionnaires = context.engine.services.questionnaires
    checked = await questionnaires.check_answers(context.uow, context.principal, change)
    return checked.tree


OPERATION = Operation(
    name="score",
    definition=canonical("score"),
    run=score,
    types=frozenset(("QuestionnaireResponse",)),
    type_level=True,
    instance_level=True,
)
