"""``Patient/[id]/$everything``: the patient and all in their compartment that the caller sees.

https://hl7.org/fhir/R4/patient-operation-everything.html. A search of the compartment with what
it refers to; ``start`` and ``end`` are about dates of care, so what has none is always there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from app.fhir.parameters import Input, read
from app.fhir.registry import REGISTRY, Interaction
from app.interactions.call import Call, Outcome, Pairs
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.target import target
from app.interactions.search import page_of, understood
from app.search.expression import And, Expression, Missing, Or
from app.search.parser import parse_criteria
from app.search.query import SearchQuery

_INPUTS = (
    Input("start", "dateTime"),
    Input("end", "dateTime"),
    Input("_since", "dateTime"),
    Input("_type", "code", repeats=True),
    Input("_count", "integer"),
)
_BOUNDS = {"start": "ge", "end": "le"}


async def everything(context: Context, call: Call) -> Outcome:
    """A searchset of the compartment and of what it refers to."""
    await target(context, call)
    given = _given(call)
    assert call.type is not None and call.id is not None
    asked = replace(
        call,
        interaction=Interaction.SEARCH_SYSTEM,
        operation=None,
        type=None,
        id=None,
        compartment=(call.type, call.id),
        query=(*_search(context, given), *(p for p in call.query if p[0] == "_cursor")),
    )
    query = _within(context, understood(context, asked), given)
    address = f"{call.type}/{call.id}/$everything"
    return await page_of(context, asked, replace(query, used=given), address=address)


def _given(call: Call) -> Pairs:
    """The inputs of the address and of Parameters as pairs."""
    inputs = read(_INPUTS, body=call.body, query=call.query)
    known = {"_cursor", *(each.name for each in _INPUTS)}
    plain = (pair for pair in call.query if pair[0].startswith("_") and pair[0] not in known)
    return (*plain, *((each.name, str(each.value)) for each in inputs.given))


def _search(context: Context, given: Pairs) -> Pairs:
    """The inputs that a search knows, as it says them."""
    pairs = [("_include", "*")]
    for name, value in given:
        if name == "_since":
            pairs.append(("_lastUpdated", f"ge{value}"))
        elif name not in _BOUNDS:
            pairs.append((name, value))
    if all(name != "_count" for name, _ in given):
        pairs.append(("_count", str(context.engine.settings.search_page_maximum)))
    return tuple(pairs)


def _within(context: Context, query: SearchQuery, given: Pairs) -> SearchQuery:
    """The search between the dates that were given."""
    dates = tuple(("date", _BOUNDS[name] + value) for name, value in given if name in _BOUNDS)
    if not dates:
        return query
    return replace(query, where=And((query.where, *_dated(context, dates))))


def _dated(context: Context, dates: Pairs) -> Iterator[Expression]:
    """For each type that has a date of care: a row of it has none, or one in between."""
    base = context.engine.settings.fhir_base
    for name, definition in REGISTRY.items():
        if definition.store == "resource" and "date" in definition.search:
            missing = Missing(definition.code, "date", "date")
            yield Or((missing, parse_criteria(name, dates, base=base).where))


OPERATION = Operation(
    name="everything",
    definition="http://hl7.org/fhir/OperationDefinition/Patient-everything",
    run=everything,
    types=frozenset(("Patient",)),
    instance_level=True,
)
