"""The wiring of the types, in tables: what a change must satisfy, what goes with it, what follows.

A rule gets the change and returns the change to store; it refuses by raising. What goes with it is
kept in the same unit of work. A reaction runs after the commit, from the outbox, in its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from app.interactions.services import Services
from app.repositories.outbox import Written
from app.repositories.unit_of_work import UnitOfWork
from app.repositories.versions import StoredVersion
from app.security.principal import Principal
from app.services import alert_steps, emergencies, goals, published, responses, safety
from app.services.changes import Afterwards, Change, Kept

Rule: TypeAlias = Callable[[Services, UnitOfWork, Principal, Change], Awaitable[Change]]
Keep: TypeAlias = Callable[[Services, UnitOfWork, Principal, Kept], Awaitable[None]]
Reaction: TypeAlias = Callable[[Services, UnitOfWork, Written], Awaitable[Afterwards | None]]


async def _private_answers_stay(
    services: Services, uow: UnitOfWork, principal: Principal, change: Change
) -> Change:
    return await responses.keep_private(uow, principal, change)


async def _answers_fit(
    services: Services, uow: UnitOfWork, principal: Principal, change: Change
) -> Change:
    return await services.questionnaires.check_answers(uow, principal, change)


async def _questionnaire_compiles(
    services: Services, uow: UnitOfWork, principal: Principal, change: Change
) -> Change:
    return await services.questionnaires.check_definition(uow, principal, change)


async def _definition_serves(
    services: Services, uow: UnitOfWork, principal: Principal, change: Change
) -> Change:
    return services.definitions.check(change)


async def _published_stays(
    services: Services, uow: UnitOfWork, principal: Principal, change: Change
) -> Change:
    return published.check(change)


async def _episode_steps(
    services: Services, uow: UnitOfWork, principal: Principal, change: Change
) -> Change:
    return services.episodes.step(change)


async def _subscription_delivers(
    services: Services, uow: UnitOfWork, principal: Principal, change: Change
) -> Change:
    return services.subscriptions.check(change)


async def _clients_own_stays(
    services: Services, uow: UnitOfWork, principal: Principal, change: Change
) -> Change:
    if change.previous is not None and not change.previous.deleted:
        await services.signing.check(uow, change.previous, principal)
    return change


async def _alert_takes_steps(
    services: Services, uow: UnitOfWork, principal: Principal, change: Change
) -> Change:
    return alert_steps.check(change)


async def _nobody_tells_themselves(
    services: Services, uow: UnitOfWork, principal: Principal, change: Change
) -> Change:
    return safety.check_task(change, principal)


async def _agreed_stays(
    services: Services, uow: UnitOfWork, principal: Principal, change: Change
) -> Change:
    return goals.check(change, principal)


async def _schedules_hold(
    services: Services, uow: UnitOfWork, principal: Principal, change: Change
) -> Change:
    return services.schedules.check(change)


async def _consent_counts(
    services: Services, uow: UnitOfWork, principal: Principal, kept: Kept
) -> None:
    """It is signed where a client gave it, and ends what it succeeds."""
    if not kept.changed:
        return
    if principal.role == "client":
        await services.signing.sign(uow, kept.stored, principal)
    await services.succession.take_place(uow, kept.change, by=principal)


async def _subscription_stands(
    services: Services, uow: UnitOfWork, principal: Principal, kept: Kept
) -> None:
    await services.subscriptions.follow(uow, kept, principal)


async def _subscription_ends(uow: UnitOfWork, ended: StoredVersion) -> None:
    await uow.subscriptions.end(ended.tenant, ended.id)


async def _ask(services: Services, uow: UnitOfWork, written: Written) -> None:
    await services.schedules.react(uow, written)


async def _remind(services: Services, uow: UnitOfWork, written: Written) -> Afterwards | None:
    return await services.reminders.react(uow, written)


async def _score(services: Services, uow: UnitOfWork, written: Written) -> None:
    await services.scoring.react(uow, written)


async def _watch(services: Services, uow: UnitOfWork, written: Written) -> None:
    await services.alliance.react(uow, written)


async def _end_emergency(services: Services, uow: UnitOfWork, written: Written) -> None:
    await services.emergencies.react(uow, written)


async def _warn(services: Services, uow: UnitOfWork, written: Written) -> None:
    await services.safety.react(uow, written)


BEFORE_STORE: Mapping[str, tuple[Rule, ...]] = {
    "QuestionnaireResponse": (_private_answers_stay, _answers_fit),
    "Questionnaire": (_questionnaire_compiles, _published_stays),
    "Library": (_definition_serves, _published_stays),
    "EpisodeOfCare": (_episode_steps,),
    "CarePlan": (_schedules_hold,),
    "Goal": (_agreed_stays,),
    "DetectedIssue": (_alert_takes_steps,),
    "Consent": (_clients_own_stays,),
    "Task": (_nobody_tells_themselves,),
    "Subscription": (_subscription_delivers,),
}

WITH_STORE: Mapping[str, Keep] = {
    "Consent": _consent_counts,
    "Subscription": _subscription_stands,
}

WITH_END: Mapping[str, Callable[[UnitOfWork, StoredVersion], Awaitable[None]]] = {
    "Subscription": _subscription_ends,
}

AFTER_COMMIT: Mapping[str, tuple[str, ...]] = {
    "QuestionnaireResponse": ("safety", "score", "schedule"),
    "Observation": ("alliance",),
    "Encounter": ("alliance", "schedule"),
    "EpisodeOfCare": ("schedule",),
    "CarePlan": ("schedule",),
    "Task": ("remind",),
}

# These look at all of a patient: what one unit of work writes of a patient calls for them once.
OF_THE_PATIENT = frozenset(("alliance",))

REACTIONS: Mapping[str, Reaction] = {
    "alliance": _watch,
    emergencies.REACTION: _end_emergency,
    "remind": _remind,
    "safety": _warn,
    "schedule": _ask,
    "score": _score,
}
