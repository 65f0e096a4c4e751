"""``Patient/[id]/$everything``: the patient and all in their compartment that the caller sees.

https://hl7.org/fhir/R4/patient-operation-everything.html
"""

from __future__ import annotations

from dataclasses import replace

from app.core.errors import AppError, Category, Issue
from app.fhir import json, primitives
from app.fhir.registry import Interaction
from app.interactions.call import Call, Outcome, Pairs
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.refusals import gone, not_found
from app.interactions.search import search

_KNOWN = ("_since", "_type", "_count", "_total")


async def everything(context: Context, call: Call) -> Outcome:
    """A searchset of the compartment and of what it refers to."""
    assert call.id is not None
    stored = await context.uow.resources.read(
        context.kind("Patient"), call.id, visible=context.visible("r")
    )
    if stored is None:
        raise not_found()
    if stored.deleted:
        raise gone()
    asked = replace(
        call,
        interaction=Interaction.SEARCH_SYSTEM,
        operation=None,
        type=None,
        id=None,
        compartment=("Patient", call.id),
        query=_search_pairs(context, call),
    )
    return await search(context, asked)


def _search_pairs(context: Context, call: Call) -> Pairs:
    """The operation's inputs, from the address or from Parameters, as a search."""
    issues = []
    pairs = [("_include", "*")]
    given = _given(call)
    for name, value in given:
        if name not in _KNOWN:
            issues.append(Issue("not-supported", "an input that is not supported here"))
        elif name == "_since":
            primitives.date_range(value)
            pairs.append(("_lastUpdated", f"ge{value}"))
        else:
            pairs.append((name, value))
    if issues:
        raise AppError(Category.INVALID, issues)
    if not any(name == "_count" for name, _ in given):
        pairs.append(("_count", str(context.engine.settings.search_page_maximum)))
    return tuple(pairs)


def _given(call: Call) -> Pairs:
    if not call.body:
        return call.query
    body = json.parse_resource(call.body)
    parameters = body.get("parameter") or ()
    values = [
        (str(parameter.get("name", "")), _text(parameter))
        for parameter in parameters
        if isinstance(parameter, dict)
    ]
    return (*call.query, *values)


def _text(parameter: json.Tree) -> str:
    return next((str(value) for name, value in parameter.items() if name.startswith("value")), "")


OPERATION = Operation(
    name="everything",
    definition="http://hl7.org/fhir/OperationDefinition/Patient-everything",
    run=everything,
    types=frozenset(("Patient",)),
    instance_level=True,
)
