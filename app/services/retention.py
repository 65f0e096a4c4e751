"""The end of a patient's record: its key is destroyed, when the law lets it and two people ask.

Until the retention clock has run out (``definitions/retention.json``) and while a legal hold
stands nothing is destroyed. Afterwards no copy of the record can be read, in no backup either;
that it was, and who saw it, stays provable.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import resources

from app.core.clock import EPOCH, SECOND, Clock, format_instant
from app.core.errors import AppError, Category
from app.core.ids import IdSource
from app.fhir import json
from app.fhir.registry import REGISTRY
from app.repositories.retention import Hold
from app.repositories.unit_of_work import UnitOfWork, UnitsOfWork
from app.search.parameters import index_number
from app.search.visibility import Visible
from app.services.audit import AuditTrail

_SAYS = 7 * 86_400 * SECOND  # how long a request waits for a second person


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who proved to be who they are a moment ago."""

    tenant: int
    account_id: str
    role: str


_MAY = frozenset(("admin", "clinical_lead"))


class Retention:
    """Keeps, holds and ends records."""

    def __init__(
        self, units: UnitsOfWork, trail: AuditTrail, *, clock: Clock, ids: IdSource
    ) -> None:
        self._units = units
        self._trail = trail
        self._clock = clock
        self._ids = ids

    async def keep_for(self, tenant: int, years: int) -> None:
        """Sets for how many years a tenant keeps records; ``unprocessable`` if too few."""
        if years < least():
            raise AppError.of(
                Category.UNPROCESSABLE, "value", f"records are kept for {least()} years or longer"
            )
        async with self._units.write(tenant, resources=0) as uow:
            await uow.retention.keep_for(tenant, years)
            self._record(uow, "retention-changed", tenant, detail={"years": str(years)})

    async def hold(self, tenant: int, patient: str, *, reason: str) -> str:
        """Places a legal hold on a patient's record; its id."""
        hold = Hold(self._ids.new_id(), patient, reason, self._clock.now())
        async with self._units.write(tenant, resources=0) as uow:
            await self._exists(uow, tenant, patient)
            await uow.retention.place(tenant, hold)
            self._record(uow, "hold-placed", tenant, patient)
        return hold.hold_id

    async def release(self, tenant: int, patient: str) -> int:
        """Ends the legal holds on a patient's record; how many."""
        async with self._units.write(tenant, resources=0) as uow:
            ended = await uow.retention.release(tenant, patient, at=self._clock.now())
            if not ended:
                raise AppError.of(Category.NOT_FOUND, "not-found", "no legal hold stands on it")
            self._record(uow, "hold-released", tenant, patient)
        return ended

    async def destroy(self, patient: str, *, by: Person) -> bool:
        """Destroys a patient's key if another person asked for it this week; else asks.

        Gives whether it is destroyed. Raises ``forbidden`` for a role that may not,
        ``not-found``, and ``conflict`` with every reason why the record must be kept.
        """
        if by.role not in _MAY:
            raise AppError.of(
                Category.FORBIDDEN, "forbidden", "an admin or a clinical lead may, nobody else"
            )
        now = self._clock.now()
        async with self._units.write(by.tenant, resources=0) as uow:
            await uow.lock(f"destruction in {by.tenant}")
            await self._exists(uow, by.tenant, patient)
            await self._refuse_while_kept(uow, by.tenant, patient, now)
            asked = await uow.retention.asked(by.tenant, patient)
            stands = asked is not None and not asked.confirmed and now - asked.at < _SAYS
            if asked is None or not stands or asked.by == by.account_id:
                await uow.retention.ask(by.tenant, patient, by=by.account_id, at=now)
                self._record(uow, "destruction-asked", by.tenant, patient, by=by)
                return False
            await uow.retention.confirm(by.tenant, patient, by=by.account_id, at=now)
            await uow.keys.destroy(by.tenant, f"Patient/{patient}")
            await uow.retention.withdraw(by.tenant, f"Patient/{patient}")
            self._record(uow, "key-destroyed", by.tenant, patient, by=by)
        return True

    async def _refuse_while_kept(
        self, uow: UnitOfWork, tenant: int, patient: str, now: int
    ) -> None:
        reasons = [
            f"a legal hold stands since {format_instant(hold.placed)}"
            for hold in await uow.retention.holds(tenant, patient)
        ]
        years = max(await uow.retention.years(tenant) or 0, least())
        last = await uow.retention.last_care(tenant, patient, dates=_dates())
        if last is None:
            last = await self._updated(uow, tenant, patient)
        until = _after(last, years)
        if until is None or until > now:
            kept = "care goes on" if until is None else f"kept until {format_instant(until)}"
            reasons.append(f"{kept}: {years} years from the last procedure")
        if reasons:
            raise AppError.of(Category.CONFLICT, "business-rule", "; ".join(reasons))

    async def _exists(self, uow: UnitOfWork, tenant: int, patient: str) -> None:
        if not await uow.retention.has_key(tenant, f"Patient/{patient}"):
            raise AppError.of(Category.NOT_FOUND, "not-found", "no such record")

    async def _updated(self, uow: UnitOfWork, tenant: int, patient: str) -> int:
        visible = Visible.everything(tenant, reason="a record without dates is kept from its last")
        kind = REGISTRY["Patient"].code
        stored = await uow.resources.read(kind, patient, visible=visible)
        return stored.updated if stored else self._clock.now()

    def _record(
        self,
        uow: UnitOfWork,
        event: str,
        tenant: int,
        patient: str | None = None,
        *,
        by: Person | None = None,
        detail: dict[str, str] | None = None,
    ) -> None:
        uow.audited.append(
            self._trail.internal(
                event,
                tenant=tenant,
                entity=f"Patient/{patient}" if patient else None,
                patient=patient,
                detail={**(detail or {}), **({"by": by.account_id} if by else {})},
            )
        )


@cache
def _definition() -> json.Tree:
    text = resources.files("app.definitions").joinpath("retention.json").read_bytes()
    return json.parse_resource(text)


def least() -> int:
    """For how many years a record is kept at least."""
    return int(_definition()["years"])


@cache
def _dates() -> tuple[int, ...]:
    named = [name.split(".") for name in _definition()["care"]]
    return tuple(index_number(REGISTRY[type_name].code, code) for type_name, code in named)


def _after(instant: int, years: int) -> int | None:
    """The same day so many years later, None past what a calendar has."""
    try:
        day = EPOCH + timedelta(microseconds=instant)
        # The 29th of February has no twin in most years: the day after is never too early.
        later = (day + timedelta(days=1)) if (day.month, day.day) == (2, 29) else day
        end = later.replace(year=later.year + years)
    except (OverflowError, ValueError):
        return None
    return (end - EPOCH) // timedelta(microseconds=1)
