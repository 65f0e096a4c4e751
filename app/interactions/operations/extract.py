"""``QuestionnaireResponse/$extract``: answers as Observations, in a transaction to be sent.

http://hl7.org/fhir/uv/sdc/OperationDefinition/QuestionnaireResponse-extract
"""

from __future__ import annotations

from app.core.errors import AppError, Category
from app.fhir import json, parameters, validation
from app.fhir.json import Tree
from app.fhir.parameters import Input, place_of
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.target import target
from app.security import access
from app.services.extraction import extracted, is_extractable

_INPUTS = (Input("questionnaire-response", "resource"),)


async def extract(context: Context, call: Call) -> Outcome:
    """The transaction; a form that extracts nothing is refused."""
    response = await _response(context, call)
    questionnaire = await context.engine.services.terminology.canonical(
        context.uow,
        "Questionnaire",
        response.get("questionnaire", "").partition("#")[0],
        visible=context.visible("r"),
    )
    if questionnaire is None or not is_extractable(questionnaire):
        raise AppError.of(
            Category.UNPROCESSABLE,
            "not-found" if questionnaire is None else "not-supported",
            "the form is not known, or has no item that is extracted as an Observation",
            "QuestionnaireResponse.questionnaire",
        )
    return Outcome("ok", document=json.dumps(extracted(questionnaire, response)))


async def _response(context: Context, call: Call) -> Tree:
    given = parameters.read(_INPUTS, body=call.body, query=call.query)
    if call.id is not None:
        return await target(context, call)
    access.decide(context.principal, "QuestionnaireResponse", "r")
    response: Tree | None = given.get("questionnaire-response")
    if response is None:
        raise AppError.of(
            Category.UNPROCESSABLE,
            "required",
            "questionnaire-response is needed",
            place_of("questionnaire-response"),
        )
    issues = validation.check(response, "QuestionnaireResponse")
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return response


OPERATION = Operation(
    name="extract",
    definition="http://hl7.org/fhir/uv/sdc/OperationDefinition/QuestionnaireResponse-extract",
    run=extract,
    types=frozenset(("QuestionnaireResponse",)),
    type_level=True,
    instance_level=True,
)
