"""``ValueSet/$validate-code``. https://hl7.org/fhir/R4/valueset-operation-validate-code.html"""

from __future__ import annotations

from collections.abc import Sequence

from app.core.errors import AppError, Category
from app.fhir import json, parameters
from app.fhir.json import Tree
from app.fhir.parameters import Input, Inputs, boolean, place_of, value
from app.fhir.terminology import Member
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.value_set import named_value_set

_INPUTS = (
    Input("url", "uri"),
    Input("valueSet", "resource"),
    Input("valueSetVersion", "string"),
    Input("code", "string"),
    Input("system", "uri"),
    Input("display", "string"),
    Input("coding", "Coding"),
    Input("codeableConcept", "CodeableConcept"),
    Input("abstract", "boolean"),
    Input("displayLanguage", "code"),
)
_SUBJECTS = ("code", "coding", "codeableConcept")


async def validate_code(context: Context, call: Call) -> Outcome:
    """Whether a code is in the value set, and its display."""
    given = parameters.read(_INPUTS, body=call.body, query=call.query)
    codings = _codings(given)
    value_set = await named_value_set(context, call, given)
    members = await context.engine.services.terminology.members(
        context.uow, value_set, visible=context.visible("r")
    )
    return Outcome("ok", document=json.dumps(_verdict(members, codings, given)))


def _codings(given: Inputs) -> list[Tree]:
    named = [name for name in _SUBJECTS if given.get(name) is not None]
    if len(named) != 1:
        raise AppError.of(
            Category.UNPROCESSABLE,
            "required" if not named else "invalid",
            "one of code, coding and codeableConcept is needed",
            place_of("code"),
        )
    if named == ["coding"]:
        return [given.get("coding")]
    if named == ["codeableConcept"]:
        return list(given.get("codeableConcept").get("coding", ()))
    coding = {name: given.get(name) for name in ("system", "code", "display")}
    return [{name: text for name, text in coding.items() if text is not None}]


def _verdict(members: Sequence[Member], codings: Sequence[Tree], given: Inputs) -> Tree:
    language = given.get("displayLanguage")
    for coding in codings:
        found = _found(members, coding)
        if found is None or (found.abstract and given.get("abstract") is False):
            continue
        display = coding.get("display")
        known = {found.display, *(each.get("value") for each in found.designations)}
        wrong = display is not None and display not in known
        return parameters.parameters(
            boolean("result", value=not wrong),
            value("message", "string", "the display is not that of the code" if wrong else None),
            value("display", "string", found.shown(language)),
        )
    return parameters.parameters(
        boolean("result", value=False),
        value("message", "string", "the code is not in the value set"),
    )


def _found(members: Sequence[Member], coding: Tree) -> Member | None:
    """The member that a coding is; a code without its system must be the only one of its name."""
    system = coding.get("system")
    found = [
        each
        for each in members
        if each.code == coding.get("code") and system in (None, each.system)
    ]
    return found[0] if len(found) == 1 else None


OPERATION = Operation(
    name="validate-code",
    definition="http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code",
    run=validate_code,
    types=frozenset(("ValueSet",)),
    type_level=True,
    instance_level=True,
)
