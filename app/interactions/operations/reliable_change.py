"""``Observation/$reliable-change``: whether a change is more than measurement error."""

from __future__ import annotations

from dataclasses import replace

from app.core.errors import AppError, Category, Issue
from app.domain import reliable_change as domain
from app.domain.measure import Direction
from app.domain.reliable_change import Distribution
from app.fhir import json, parameters
from app.fhir.parameters import Inputs, decimal, place_of, value
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.security import access
from app.services.operation_definitions import canonical, inputs

_POPULATIONS = (("meanDysfunctional", "sdDysfunctional"), ("meanFunctional", "sdFunctional"))


async def reliable_change(context: Context, call: Call) -> Outcome:
    """The figures of a change and its class."""
    access.decide(context.principal, "Observation", "r")
    declared = inputs("reliable-change", direction=Direction)
    given = parameters.read(declared, body=call.body, query=call.query)
    issues = _halves(given)
    try:
        found = domain.reliable_change(
            given.get("pre"),
            given.get("post"),
            direction=Direction(given.get("direction")),
            sd=given.get("sd"),
            reliability=given.get("reliability"),
            criterion=given.get("criterion"),
            cutoff=given.get("cutoff"),
            inclusive=given.get("inclusive") or False,
            dysfunctional=_population(given, *_POPULATIONS[0]),
            functional=_population(given, *_POPULATIONS[1]),
        )
    except AppError as refusal:
        issues += [replace(issue, expression=_place(issue)) for issue in refusal.issues]
        raise AppError(refusal.category, issues) from None
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return Outcome("ok", document=json.dumps(_answer(found)))


def _answer(found: domain.Change) -> json.Tree:
    return parameters.parameters(
        decimal("sem", found.sem),
        decimal("sdiff", found.sdiff),
        decimal("rc", found.rc),
        decimal("criterion", found.criterion),
        value("class", "code", str(found.verdict)),
        decimal("cutA", found.cut_a),
        decimal("cutB", found.cut_b),
        decimal("cutC", found.cut_c),
    )


def _population(given: Inputs, mean: str, sd: str) -> Distribution | None:
    centre, spread = given.get(mean), given.get(sd)
    return None if centre is None or spread is None else Distribution(centre, spread)


def _halves(given: Inputs) -> list[Issue]:
    """A mean without its deviation, or the other way round."""
    return [
        Issue("required", f"{other} is needed with {name}", place_of(other))
        for pair in _POPULATIONS
        for name, other in (pair, pair[::-1])
        if given.get(name) is not None and given.get(other) is None
    ]


def _place(issue: Issue) -> str:
    return place_of(issue.expression) if issue.expression else "Parameters.parameter"


OPERATION = Operation(
    name="reliable-change",
    definition=canonical("reliable-change"),
    run=reliable_change,
    types=frozenset(("Observation",)),
    type_level=True,
)
