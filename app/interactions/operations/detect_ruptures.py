"""``EpisodeOfCare/$detect-ruptures``: one rule over values that the caller gives."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from app.core.errors import AppError, Category, Issue
from app.domain.rupture import Detection, Flag, Rule, detect
from app.domain.rupture import parameters as rule_parameters
from app.fhir import json, parameters
from app.fhir.parameters import Inputs, Part, decimal, group, integer, place_of, value
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.security import access
from app.services.operation_definitions import canonical, inputs

_MOST = 5_000
_SERIES = ("value", "missing")


async def detect_ruptures(context: Context, call: Call) -> Outcome:
    """The sessions that the rule could judge, and those that it stopped at."""
    access.decide(context.principal, "EpisodeOfCare", "r")
    declared = inputs("detect-ruptures", rule=Rule, reference=("previous", "maximum"))
    given = parameters.read(declared, body=call.body, query=call.query)
    settings = {
        each.name: each.value for each in given.given if each.name not in ("rule", *_SERIES)
    }
    try:
        found = detect(Rule(given.get("rule")), _series(given), rule_parameters(settings))
    except AppError as refusal:
        issues = [replace(issue, expression=_place(issue)) for issue in refusal.issues]
        raise AppError(refusal.category, issues) from None
    return Outcome("ok", document=json.dumps(_answer(found)))


def _series(given: Inputs) -> list[Decimal | None]:
    points = given.named(*_SERIES)
    if len(points) > _MOST:
        raise AppError.of(
            Category.UNPROCESSABLE, "too-costly", f"more than {_MOST} sessions", "value"
        )
    issues = [
        Issue("value", "missing is true or not there", each.place)
        for each in points
        if each.value is False
    ]
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return [None if each.name == "missing" else each.value for each in points]


def _place(issue: Issue) -> str:
    name = issue.expression
    return place_of(name) if name.isidentifier() else name or "Parameters.parameter"


def _answer(found: Detection) -> json.Tree:
    return parameters.parameters(
        [integer("evaluable", session) for session in found.evaluable],
        [_flag(flag) for flag in found.flags],
    )


def _flag(flag: Flag) -> Part:
    return group(
        "flag",
        integer("session", flag.session),
        decimal("limit", flag.limit),
        value("status", "code", None if flag.status is None else str(flag.status)),
        decimal("pre", flag.pre),
        decimal("nadir", flag.nadir),
        integer("repairedAt", flag.repaired_at),
    )


OPERATION = Operation(
    name="detect-ruptures",
    definition=canonical("detect-ruptures"),
    run=detect_ruptures,
    types=frozenset(("EpisodeOfCare",)),
    type_level=True,
)
