"""``CodeSystem/$lookup``. https://hl7.org/fhir/R4/codesystem-operation-lookup.html"""

from __future__ import annotations

from collections.abc import Iterator

from app.core.errors import AppError, Category
from app.fhir import json, parameters, terminology
from app.fhir.json import JSON, Tree
from app.fhir.parameters import Input, Inputs, Part, group, place_of, value
from app.fhir.terminology import CodeSystem, Concept
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.security import access

_INPUTS = (
    Input("code", "string"),
    Input("system", "uri"),
    Input("version", "string"),
    Input("coding", "Coding"),
    Input("displayLanguage", "code"),
    Input("property", "code", repeats=True),
)


async def lookup(context: Context, call: Call) -> Outcome:
    """What is known of a code."""
    access.decide(context.principal, "CodeSystem", "r")
    given = parameters.read(_INPUTS, body=call.body, query=call.query)
    system, code = _asked(given)
    found = await context.engine.services.terminology.code_system(
        context.uow, system, visible=context.visible("r")
    )
    concept = found.find(code) if found else None
    if found is None or concept is None:
        raise AppError.of(
            Category.NOT_FOUND, "not-found", "the code is not known", place_of("code")
        )
    return Outcome("ok", document=json.dumps(_told(found, concept, given)))


def _asked(given: Inputs) -> tuple[str, str]:
    coding = given.get("coding") or {}
    system = given.get("system") or coding.get("system")
    code = given.get("code") or coding.get("code")
    if not system or not code:
        raise AppError.of(
            Category.UNPROCESSABLE,
            "required",
            "system and code are needed, or a coding with both",
            place_of("code"),
        )
    version = given.get("version") or coding.get("version")
    return (f"{system}|{version}" if version else system), code


def _told(found: CodeSystem, concept: Concept, given: Inputs) -> Tree:
    designations = concept.tree.get("designation", ())
    wanted = {each.value for each in given.named("property")}
    return parameters.parameters(
        value("name", "string", found.name),
        value("version", "string", found.version),
        value(
            "display",
            "string",
            terminology.translated(concept.display, designations, given.get("displayLanguage"))
            or concept.code,
        ),
        [
            group(
                "designation",
                value("language", "code", each.get("language")),
                {"name": "use", "valueCoding": each["use"]} if "use" in each else None,
                value("value", "string", each["value"]),
            )
            for each in designations
        ],
        [
            _property(name, kind, known)
            for name, kind, known in _properties(found, concept)
            if not wanted or name in wanted
        ],
    )


def _properties(found: CodeSystem, concept: Concept) -> Iterator[tuple[str, str, JSON]]:
    if "definition" in concept.tree:
        yield "definition", "valueString", concept.tree["definition"]
    for parent in concept.parents:
        yield "parent", "valueCode", parent
    for other in found.concepts.values():
        if concept.code in other.parents:
            yield "child", "valueCode", other.code
    for each in concept.tree.get("property", ()):
        kind = next((key for key in each if key.startswith("value")), "")
        if kind and each["code"] not in ("parent", "child"):
            yield each["code"], kind, each[kind]


def _property(name: str, kind: str, known: JSON) -> Part:
    return group("property", value("code", "code", name), {"name": "value", kind: known})


OPERATION = Operation(
    name="lookup",
    definition="http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup",
    run=lookup,
    types=frozenset(("CodeSystem",)),
    type_level=True,
)
