"""``EpisodeOfCare/[id]/$alliance-trend``: how the alliance moves from session to session."""

from __future__ import annotations

from app.domain.measure import Rater
from app.fhir import json, parameters
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.seeing import alerts_of, course_of, expectations
from app.interactions.operations.target import target
from app.security import access
from app.services import trends
from app.services.operation_definitions import canonical, inputs


async def alliance_trend(context: Context, call: Call) -> Outcome:
    """Series, alerts and missing sessions, as far as the caller may see them."""
    access.decide(context.principal, "Observation", "s")
    given = parameters.read(inputs("alliance-trend", rater=Rater), body=call.body, query=call.query)
    episode = await target(context, call)
    scale = given.get("scale")
    course = await course_of(context, episode, scales=[scale] if scale else ())
    series = trends.chosen(
        course, instrument=given.get("instrument"), rater=given.get("rater"), scale=scale
    )
    issues = await alerts_of(context, course)
    found = trends.trend(course, series, issues, await expectations(context))
    return Outcome("ok", document=json.dumps(found))


OPERATION = Operation(
    name="alliance-trend",
    definition=canonical("alliance-trend"),
    run=alliance_trend,
    types=frozenset(("EpisodeOfCare",)),
    instance_level=True,
)
