"""``ValueSet/$expand``. https://hl7.org/fhir/R4/valueset-operation-expand.html"""

from __future__ import annotations

from collections.abc import Sequence

from app.core.clock import format_instant
from app.core.errors import AppError, Category, Issue
from app.fhir import json, parameters, terminology
from app.fhir.json import Tree
from app.fhir.parameters import Input, Inputs
from app.fhir.terminology import Member
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.value_set import named_value_set

_INPUTS = (
    Input("url", "uri"),
    Input("valueSet", "resource"),
    Input("valueSetVersion", "string"),
    Input("filter", "string"),
    Input("offset", "integer"),
    Input("count", "integer"),
    Input("activeOnly", "boolean"),
    Input("includeDesignations", "boolean"),
    Input("includeDefinition", "boolean"),
    Input("excludeNested", "boolean"),
    Input("excludeNotForUI", "boolean"),
    Input("excludePostCoordinated", "boolean"),  # nothing is composed here
    Input("displayLanguage", "code"),
)


async def expand(context: Context, call: Call) -> Outcome:
    """The value set with its members."""
    given = parameters.read(_INPUTS, body=call.body, query=call.query)
    value_set = await named_value_set(context, call, given)
    members = await context.engine.services.terminology.members(
        context.uow, value_set, visible=context.visible("r")
    )
    if given.get("filter"):
        members = terminology.matching(members, given.get("filter"))
    if given.get("activeOnly"):
        members = [each for each in members if not each.inactive]
    if given.get("excludeNotForUI"):
        members = [each for each in members if not each.abstract]
    return Outcome("ok", document=json.dumps(_expanded(context, value_set, members, given)))


def _expanded(context: Context, value_set: Tree, members: Sequence[Member], given: Inputs) -> Tree:
    offset, count = given.get("offset") or 0, given.get("count")
    below = [name for name in ("offset", "count") if (given.get(name) or 0) < 0]
    if below:
        issues = [
            Issue("value", f"{name} is not negative", parameters.place_of(name)) for name in below
        ]
        raise AppError(Category.UNPROCESSABLE, issues)
    page = members[offset : None if count is None else offset + count]
    expansion: Tree = {
        "identifier": f"urn:uuid:{context.engine.ids.new_id()}",
        "timestamp": format_instant(context.engine.clock.now()),
        "total": len(members),
        "offset": offset,
    }
    settings = _settings(given)
    if settings:
        expansion["parameter"] = settings
    if page:
        expansion["contains"] = [_contained(each, given) for each in page]
    kept = {
        name: value
        for name, value in value_set.items()
        if name != "expansion" and (name != "compose" or given.get("includeDefinition"))
    }
    return {**kept, "expansion": expansion}


def _settings(given: Inputs) -> list[Tree]:
    kinds = {"filter": "valueString", "displayLanguage": "valueCode", "count": "valueInteger"}
    return [
        {"name": name, kind: given.get(name)}
        for name, kind in kinds.items()
        if given.get(name) is not None
    ]


def _contained(member: Member, given: Inputs) -> Tree:
    tree: Tree = {
        "system": member.system or None,
        "abstract": member.abstract or None,
        "inactive": member.inactive or None,
        "version": member.version,
        "code": member.code,
        "display": member.shown(given.get("displayLanguage")),
        "designation": list(member.designations) if given.get("includeDesignations") else None,
    }
    return {name: value for name, value in tree.items() if value}


OPERATION = Operation(
    name="expand",
    definition="http://hl7.org/fhir/OperationDefinition/ValueSet-expand",
    run=expand,
    types=frozenset(("ValueSet",)),
    type_level=True,
    instance_level=True,
)
