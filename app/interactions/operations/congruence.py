"""``EpisodeOfCare/[id]/$congruence``: how far client and therapist agree."""

from __future__ import annotations

from app.fhir import json, parameters
from app.interactions.call import Call, Outcome
from app.interactions.context import Context
from app.interactions.operations.operation import Operation
from app.interactions.operations.seeing import course_of
from app.interactions.operations.target import target
from app.security import access
from app.services import trends
from app.services.operation_definitions import canonical, inputs

_SCALE = "core"


async def congruence(context: Context, call: Call) -> Outcome:
    """Agreement on a scale over the sessions that both rated and the caller may see."""
    access.decide(context.principal, "Observation", "s")
    given = parameters.read(inputs("congruence"), body=call.body, query=call.query)
    episode = await target(context, call)
    scale = given.get("scale") or _SCALE
    course = await course_of(context, episode, scales=[scale])
    return Outcome("ok", document=json.dumps(trends.agreement(course, scale)))


OPERATION = Operation(
    name="congruence",
    definition=canonical("congruence"),
    run=congruence,
    types=frozenset(("EpisodeOfCare",)),
    instance_level=True,
)
