"""``Questionnaire/$populate``. https://hl7.org/fhir/uv/sdc/OperationDefinition/Questionnaire-populate

Contexts come by ``context`` parts or by ``content``; ``subject`` is the context ``%subject``, and
``%patient`` where it is one. What the caller may not see fills nothing in.
"""

from __future__ import annotations

from app.core.errors import AppError, Category
from app.fhir import json, parameters, references, validation
from app.fhir.json import Tree
from app.fhir.outcome import operation_outcome
from app.fhir.parameters import Input, Inputs, place_of
from app.fhir.registry import REGISTRY
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.target import target
from app.interactions.refusals import not_found
from app.security import access

_INPUTS = (
    Input("canonical", "uri"),
    Input("questionnaire", "resource"),
    Input("questionnaireRef", "Reference"),
    Input("subject", "Reference", required=True),
    Input("content", "Reference", repeats=True),
    Input("context", "parts", repeats=True),
    Input("local", "boolean"),
)


async def populate(context: Context, call: Call) -> Outcome:
    """The response as far as it can be filled in, and what could not be."""
    access.decide(context.principal, "QuestionnaireResponse", "r")
    given = parameters.read(_INPUTS, body=call.body, query=call.query)
    questionnaire = await _questionnaire(context, call, given)
    subject = given.get("subject")
    contexts = {"subject": await _referred(context, subject)}
    if contexts["subject"].get("resourceType") == "Patient":
        contexts["patient"] = contexts["subject"]
    for each in given.named("context"):
        name, content = parameters.text_of(each.value, "name"), each.value.get("content", {})
        if name is not None:
            contexts[name] = content.get("resource") or await _referred(
                context, content.get("valueReference", {})
            )
    for each in given.named("content"):
        found = await _referred(context, each.value)
        contexts.setdefault(found["resourceType"].lower(), found)
    response, issues = await context.engine.services.population.populate(
        context.uow,
        questionnaire,
        subject["reference"],
        contexts=contexts,
        visible=context.visible("s"),
    )
    parts = [{"name": "response", "resource": response}]
    if issues:
        parts.append({"name": "issues", "resource": operation_outcome(issues)})
    return Outcome("ok", document=json.dumps(parameters.parameters(parts)))


async def _questionnaire(context: Context, call: Call, given: Inputs) -> Tree:
    if call.id is not None:
        return await target(context, call)
    access.decide(context.principal, "Questionnaire", "r")
    sent: Tree | None = given.get("questionnaire")
    if sent is not None:
        issues = validation.check(sent, "Questionnaire")
        if issues:
            raise AppError(Category.UNPROCESSABLE, issues)
        return sent
    if given.get("questionnaireRef") is not None:
        return await _referred(context, given.get("questionnaireRef"))
    canonical = given.get("canonical")
    found = None
    if canonical is not None:
        found = await context.engine.services.terminology.canonical(
            context.uow, "Questionnaire", canonical, visible=context.visible("r")
        )
    if found is None:
        raise AppError.of(
            Category.UNPROCESSABLE if canonical is None else Category.NOT_FOUND,
            "required" if canonical is None else "not-found",
            "canonical, questionnaire or questionnaireRef of a known form is needed",
            place_of("canonical"),
        )
    return found


async def _referred(context: Context, reference: Tree) -> Tree:
    """The resource that a reference names, if the caller may see it."""
    named = references.parse(reference.get("reference", ""), base=context.engine.settings.fhir_base)
    if named.type is None or named.type not in REGISTRY or named.id is None or not named.is_local:
        raise AppError.of(
            Category.UNPROCESSABLE, "value", "a reference to a resource of this server is needed"
        )
    access.decide(context.principal, named.type, "r")
    stored = await context.uow.resources.read(
        context.kind(named.type), named.id, visible=context.visible("r")
    )
    if stored is None or stored.deleted:
        raise not_found()
    context.touched.append(stored)
    return json.parse_resource(stored.text)


OPERATION = Operation(
    name="populate",
    definition="http://hl7.org/fhir/uv/sdc/OperationDefinition/Questionnaire-populate",
    run=populate,
    types=frozenset(("Questionnaire",)),
    type_level=True,
    instance_level=True,
)
