"""``EpisodeOfCare/[id]/$alliance-chart``: the alliance as a picture."""

from __future__ import annotations

import asyncio

from app.domain.measure import Rater
from app.fhir import parameters
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.seeing import alerts_of, course_of, expectations
from app.interactions.operations.target import target
from app.security import access
from app.services import charts, drawing, trends
from app.services.operation_definitions import canonical, inputs

_FORMATS = tuple(drawing.MEDIA_TYPES)
_NAMED = {media_type: format for format, media_type in drawing.MEDIA_TYPES.items()}


async def alliance_chart(context: Context, call: Call) -> Outcome:
    """The series that were asked for, else those that say most, with alerts and gaps."""
    access.decide(context.principal, "Observation", "s")
    declared = inputs("alliance-chart", rater=Rater, format=_FORMATS, language=charts.LANGUAGES)
    given = parameters.read(declared, body=call.body, query=call.query)
    episode = await target(context, call)
    format: drawing.Format = given.get("format") or _NAMED.get(call.picture or "", "svg")
    asked = {name: given.get(name) for name in ("instrument", "rater", "scale")}
    course = await course_of(context, episode, scales=[asked["scale"]] if asked["scale"] else ())
    rules = await context.engine.services.definitions.rule_sets(
        context.uow, tenant=context.principal.tenant
    )
    series = trends.chosen(course, **asked)
    if asked["scale"] is None:
        shown = charts.summary(course, rules)
        series = [each for each in series if each in shown]
    issues = await alerts_of(context, course)
    picture = charts.picture(
        course,
        series,
        issues,
        tables=await expectations(context),
        language=given.get("language") or "en",
    )
    image = await asyncio.to_thread(drawing.draw, picture, format)
    return Outcome("ok", document=image, media_type=drawing.MEDIA_TYPES[format])


OPERATION = Operation(
    name="alliance-chart",
    definition=canonical("alliance-chart"),
    run=alliance_chart,
    types=frozenset(("EpisodeOfCare",)),
    instance_level=True,
    media_types=tuple(drawing.MEDIA_TYPES.values()),
)
