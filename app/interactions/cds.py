"""A call of a CDS Service: which cards a record system gets for the person whom it names.

What a card shows is what the calling client may see and what that person may see, both by the
visible set of their own reads; there is no other filter. Nobody by that name, a person who may
not, a patient who is hidden and one who is not there all get no cards. What the call brings of
the patient beyond who it is decides nothing, and its ``fhirServer`` is never called.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.fhir import primitives
from app.fhir.json import Tree
from app.interactions.context import Context
from app.interactions.grounds import Decided, decided
from app.interactions.operations.seeing import owed_of
from app.repositories.cds_feedback import Feedback
from app.search.found import NOBODY, Whose
from app.security import access
from app.security.principal import TREATMENT, Principal
from app.security.scopes import ACTIONS, ResourceScope, Scopes
from app.services.alert_steps import is_unresolved
from app.services.alerts import RULES, evaluation_of
from app.services.answering import WAITING, whom
from app.services.caseloads import OPEN_EPISODES
from app.services.cds import CdsService
from app.services.cds_cards import Deck
from app.services.cds_feedback import Said, kept
from app.services.cds_uuids import CardUuids
from app.services.courses import id_in, moment
from app.services.trees import current, matching

_MOST: Final = 10_000
_PERSONS: Final = Scopes((ResourceScope("user", "*", ACTIONS),))


@dataclass(frozen=True, slots=True)
class Hook:
    """What a call says: the service, the patient's id, and who looks (``Practitioner/x``)."""

    service: CdsService
    patient: str
    user: str
    language: str


async def cards(context: Context, hook: Hook, key: bytes) -> Sequence[Tree]:
    """The cards, with the audit record of the look; ``context`` is the client's.

    ``key`` is what uuids of cards are made with.
    """
    access.decide(context.principal, hook.service.subject, "s")
    await context.learn()
    who = await _user(context, hook.user)
    both = None if who is None else _Both(context, replace(context, principal=who))
    found: Sequence[Tree] = ()
    by: Context = context
    hidden = True
    if both is not None:
        by = both.user
        await by.learn()
        hidden = not await both.see_patient(hook.patient)
        if not hidden:
            found = await _ABOUT[hook.service.subject](both, hook, key)
    await _record(context, by, hook, is_hidden=hidden)
    return found


async def take(context: Context, service: CdsService, said: Sequence[Said], key: bytes) -> None:
    """Keeps what became of cards, each with its audit record, which says the same."""
    caller = context.principal
    access.decide(caller, service.subject, "s")
    uuids = CardUuids(key, caller.tenant, caller.client_id, service.id)
    for each in kept(said, service, uuids):
        await context.uow.cds_feedback.add(
            Feedback(
                tenant=caller.tenant,
                card=each.card,
                client_id=caller.client_id,
                at=each.at,
                outcome=each.outcome,
                reason=each.reason,
                received=context.engine.clock.now(),
            )
        )
        detail = {"card": each.card, "outcome": each.outcome, "reason": each.reason or ""}
        context.uow.audited.extend(
            context.engine.audit.success("operation", caller, context.facts, detail=detail)
        )


async def _user(context: Context, named: str) -> Principal | None:
    """The person of the clinic as if they asked through the client; None where there is none."""
    kind, _, id = named.partition("/")
    if kind == "PractitionerRole":
        role = await current(context.uow, kind, id, visible=context.visible("r"))
        base = context.engine.settings.fhir_base
        kind, id = "Practitioner", id_in(role.get("practitioner"), "Practitioner", base) or ""
    if kind != "Practitioner" or not id:
        return None
    caller = context.principal
    account = await context.uow.accounts.people.of_person(caller.tenant, f"Practitioner/{id}")
    if account is None or not account.enabled:
        return None
    return replace(
        caller,
        subject=account.account_id,
        actor=account.fhir_user,
        role=account.role,
        name=account.name,
        scopes=_PERSONS,
        purpose=TREATMENT,
        clearance="V",  # what the client is cleared for is the client's own part of the answer
    )


@dataclass(frozen=True, slots=True)
class _Both:
    """The client and the person, in one unit of work."""

    client: Context
    user: Context

    async def see_patient(self, id: str) -> bool:
        """Whether both see the patient."""
        for context in (self.user, self.client):
            if not await current(context.uow, "Patient", id, visible=context.visible("r")):
                return False
        return True

    async def matching(self, type_name: str, *criteria: tuple[str, str]) -> Sequence[Tree]:
        """What matches and both see."""
        found = await self._matching(self.user, type_name, criteria)
        if not found:
            return ()
        named = ("_id", ",".join(tree["id"] for tree in found))
        seen = {tree["id"] for tree in await self._matching(self.client, type_name, [named])}
        return [tree for tree in found if tree["id"] in seen]

    async def _matching(
        self, context: Context, type_name: str, criteria: Sequence[tuple[str, str]]
    ) -> Sequence[Tree]:
        return await matching(
            context.uow,
            type_name,
            criteria,
            visible=context.visible("s"),
            limit=_MOST,
            base=context.engine.settings.fhir_base,
        )

    async def episodes(self, patient: str) -> Sequence[str]:
        """The ids of the patient's open courses, the newest first."""
        found = await self.matching(
            "EpisodeOfCare", ("patient", f"Patient/{patient}"), ("status", OPEN_EPISODES)
        )
        begun = sorted(found, key=lambda each: moment(each.get("period", {}).get("start")) or 0)
        return [each["id"] for each in reversed(begun)]

    async def deck(self, hook: Hook, key: bytes) -> Deck:
        """What the cards have in common."""
        engine, principal = self.client.engine, self.client.principal
        return Deck(
            service=hook.service,
            uuids=CardUuids(key, principal.tenant, principal.client_id, hook.service.id),
            language=hook.language,
            origin=engine.settings.origin,
            base=engine.settings.fhir_base,
            unvalidated=await engine.services.definitions.unvalidated(
                self.client.uow, tenant=principal.tenant
            ),
            user=self.user.principal.known_as,
        )


async def _of_alerts(both: _Both, hook: Hook, key: bytes) -> Sequence[Tree]:
    """The unresolved alerts of open courses, the newest first.

    Not of sessions that the therapist has still to say their own view of, as everywhere.
    """
    issues = await both.matching(
        "DetectedIssue", ("patient", f"Patient/{hook.patient}"), ("code", f"{RULES}|")
    )
    courses = await both.episodes(hook.patient)
    owed = await owed_of(both.user, hook.patient)
    told = [
        each
        for each in issues
        if is_unresolved(each)
        and evaluation_of(each).get("episode") in courses
        and evaluation_of(each).get("encounter") not in owed
    ]
    told.sort(key=lambda each: moment(each.get("identifiedDateTime")) or 0, reverse=True)
    return (await both.deck(hook, key)).of_alerts(told)


async def _of_forms(both: _Both, hook: Hook, key: bytes) -> Sequence[Tree]:
    """The forms that the client or the person has still to answer, overdue ones first."""
    tasks = await both.matching("Task", ("patient", f"Patient/{hook.patient}"), *WAITING)
    courses = await both.episodes(hook.patient)
    now = both.user.principal.at
    waiting = []
    for task in tasks:
        who = whom(task, both.user.principal.base)
        if who in (f"Patient/{hook.patient}", both.user.principal.actor):
            end = task.get("restriction", {}).get("period", {}).get("end")
            waiting.append((task, bool(end) and primitives.date_range(end)[1] <= now))
    waiting.sort(key=lambda each: (not each[1], moment(each[0].get("authoredOn")) or 0))
    return (await both.deck(hook, key)).of_forms(waiting, next(iter(courses), ""))


_ABOUT: Final[Mapping[str, Callable[[_Both, Hook, bytes], Awaitable[Sequence[Tree]]]]] = {
    "DetectedIssue": _of_alerts,
    "Task": _of_forms,
}


async def _record(client: Context, by: Context, hook: Hook, *, is_hidden: bool) -> None:
    """One record of who looked at whom, by which client; durable before the answer."""
    found = await _grounds(client, by, hook)
    shown = not is_hidden or found is not None
    detail = {"hook": hook.service.hook, "user": hook.user}
    client.uow.audited.extend(
        client.engine.audit.success(
            "operation",
            by.principal,
            client.facts,
            whose=Whose((hook.patient,)) if shown else NOBODY,
            opened=found.grounds if found else None,
            detail=detail if shown else {**detail, "patient": hook.patient},
        )
    )
    client.uow.audited.extend(found.records if found else ())


async def _grounds(client: Context, by: Context, hook: Hook) -> Decided | None:
    """The Consent or emergency on which the look rested: the person's, else the client's."""
    found = await decided(by, "r", "Patient", hook.patient)
    if found is None and by is not client:
        found = await decided(client, "r", "Patient", hook.patient)
    return found
