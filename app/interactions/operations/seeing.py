"""A course of therapy as the caller is to see it: therapists say first how they saw a session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.domain.expected import Table
from app.fhir.json import Tree
from app.interactions.context import Context
from app.services.alerts import evaluation_of
from app.services.courses import Course


async def course_of(context: Context, episode: Tree, *, scales: Iterable[str] = ()) -> Course:
    """The course, without what the client said of sessions that the caller owes a view of."""
    services, principal = context.engine.services, context.principal
    course = await services.courses.course(
        context.uow, episode, visible=context.visible("s"), scales=scales
    )
    if principal.role != "therapist" or not principal.actor:
        return course
    owed = await services.answering.owed(
        context.uow, principal.actor, f"Patient/{course.patient}", tenant=principal.tenant
    )
    return course.without(owed)


async def alerts_of(context: Context, course: Course) -> Sequence[Tree]:
    """The alerts of the course, but those of sessions that are left out of it."""
    found = await context.engine.services.alliance.issues(
        context.uow, course, visible=context.visible("s")
    )
    return [each for each in found if evaluation_of(each).get("encounter") not in course.owed]


async def expectations(context: Context) -> Sequence[Table]:
    """The clinic's tables of what is usual; for clients none, to whom a colour is a verdict."""
    if context.principal.role == "client":
        return ()
    return await context.engine.services.definitions.expectations(
        context.uow, tenant=context.principal.tenant
    )
