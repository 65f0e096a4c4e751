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
    course = await context.engine.services.courses.course(
        context.uow, episode, visible=context.visible("s"), scales=scales
    )
    return course.without(await owed_of(context, course.patient))


async def owed_of(context: Context, patient: str) -> frozenset[str]:
    """The Encounters with a patient of which the caller has still to say how they saw them."""
    principal = context.principal
    if principal.role != "therapist" or not principal.actor:
        return frozenset()
    return await context.engine.services.answering.owed(
        context.uow, principal.actor, f"Patient/{patient}", tenant=principal.tenant
    )


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
