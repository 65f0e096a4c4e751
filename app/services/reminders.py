"""Reaction: whoever was asked for answers is reminded once, unless they came in the meantime.

When an open Task's reminder is due, a Communication is stored under an id that follows from the
two, so that it happens once, and a notice leaves that says nothing of what it is about. It goes to
the address of the person's account, else to the one in their Patient. Whether it left is kept.
"""

from __future__ import annotations

from functools import partial

from app.core.clock import Clock, format_instant
from app.fhir import json, primitives, references
from app.fhir.json import Tree
from app.repositories.outbox import Written
from app.repositories.unit_of_work import UnitOfWork, UnitsOfWork
from app.search.visibility import Visible
from app.security.notifier import Notifier, NotSent, reminder_message
from app.services.answering import OPEN, whom
from app.services.changes import Afterwards
from app.services.derived import Derived, derived_id
from app.services.trees import current


class Reminders:
    """Reminds people of what they were asked for."""

    def __init__(self, *, derived: Derived, notifier: Notifier, clock: Clock, base: str) -> None:
        self._derived = derived
        self._notifier = notifier
        self._clock = clock
        self._base = base

    async def react(self, uow: UnitOfWork, written: Written) -> Afterwards | None:
        """Reminds of a task now, or calls for it at its time."""
        visible = _all(written.tenant)
        stored = await uow.resources.read(written.kind, written.id, visible=visible)
        if stored is None or stored.deleted:
            return None
        task = json.parse_stored(stored.text)
        when, now, person = _reminder(task), self._clock.now(), whom(task, self._base)
        if when is None or person is None or task.get("status") not in OPEN or _is_late(task, now):
            return None
        if when > now:
            uow.call_again(written, due=when)
            return None
        reminder = self._communication(task, when, person)
        held = await self._derived.current(
            uow, "Communication", reminder["id"], tenant=written.tenant
        )
        address = await self._address(uow, person, visible=visible)
        if held is not None or address is None:
            return None
        await self._derived.follow(uow, reminder, previous=None, tenant=written.tenant)
        to, locale = address
        return partial(self._send, reminder=reminder, to=to, locale=locale, tenant=written.tenant)

    async def _send(
        self, units: UnitsOfWork, *, reminder: Tree, to: str, locale: str, tenant: int
    ) -> None:
        """Sends the notice and keeps whether it left."""
        try:
            await self._notifier.send(reminder_message(to, locale=locale))
            told = {**reminder, "status": "completed", "sent": format_instant(self._clock.now())}
        except NotSent:
            told = {**reminder, "status": "not-done", "statusReason": {"text": "It did not leave."}}
        async with units.write(tenant) as uow:
            await self._derived.store(uow, told, tenant=tenant)

    def _communication(self, task: Tree, when: int, person: str) -> Tree:
        return {
            "resourceType": "Communication",
            "id": derived_id("reminded", task["id"], str(when)),
            "basedOn": [{"reference": f"Task/{task['id']}"}],
            "status": "in-progress",
            "category": [
                {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/communication-category",
                            "code": "reminder",
                        }
                    ]
                }
            ],
            "subject": {"reference": references.local(task["for"], self._base)},
            "recipient": [{"reference": person}],
        }

    async def _address(
        self, uow: UnitOfWork, person: str, *, visible: Visible
    ) -> tuple[str, str] | None:
        """Where whoever was asked is reached, and in which language."""
        account = await uow.accounts.people.of_person(visible.tenant, person)
        if account is not None and account.email is not None:
            return account.email, account.locale
        kind, _, id = person.partition("/")
        if kind != "Patient":
            return None
        tree = await current(uow, "Patient", id, visible=visible)
        address = next(
            (
                each["value"]
                for each in tree.get("telecom", ())
                if each.get("system") == "email" and each.get("use") != "old" and "value" in each
            ),
            None,
        )
        return (address, _language(tree)) if address else None


def _reminder(task: Tree) -> int | None:
    """When a reminder is due, in microseconds."""
    for each in task.get("input", ()):
        if each.get("type", {}).get("text") == "reminder" and "valueDateTime" in each:
            return primitives.date_range(each["valueDateTime"])[0]
    return None


def _is_late(task: Tree, now: int) -> bool:
    end = task.get("restriction", {}).get("period", {}).get("end")
    return bool(end) and primitives.date_range(end)[1] <= now


def _language(patient: Tree) -> str:
    spoken = patient.get("communication", ())
    chosen = next((each for each in spoken if each.get("preferred")), spoken[0] if spoken else {})
    codes = [each.get("code", "") for each in chosen.get("language", {}).get("coding", ())]
    return "ar" if any(code.partition("-")[0] == "ar" for code in codes) else "en"


def _all(tenant: int) -> Visible:
    return Visible.everything(tenant, reason="whoever was asked is reminded")
