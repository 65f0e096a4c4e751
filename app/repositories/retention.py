"""What guards a patient's key: how long records are kept, legal holds, who asked for its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, update

from app.db.engine import Connection
from app.db.tables.indexes import INDEX_TABLES, idx_date
from app.db.tables.keys import data_key, destruction, legal_hold, retention
from app.db.tables.resources import compartment, resource, resource_history
from app.fhir.registry import REGISTRY

_PATIENT = REGISTRY["Patient"].code


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold on a patient's record; ``placed`` in microseconds."""

    hold_id: str
    patient: str
    reason: str
    placed: int


@dataclass(frozen=True, slots=True)
class Asked:
    """That somebody (an account's id) asked for a patient's key to be destroyed."""

    by: str
    at: int
    confirmed: int | None


class Retention:
    """Reads and writes it through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def years(self, tenant: int) -> int | None:
        """For how many years a tenant keeps records, None where it has not said."""
        rows = await self._connection.fetch(
            select(retention.c.years).where(retention.c.tenant == tenant)
        )
        return rows[0][0] if rows else None

    async def keep_for(self, tenant: int, years: int) -> None:
        """Sets for how many years a tenant keeps records."""
        await self._connection.execute(delete(retention).where(retention.c.tenant == tenant))
        await self._connection.execute(insert(retention), {"tenant": tenant, "years": years})

    async def last_care(self, tenant: int, patient: str, *, dates: Sequence[int]) -> int | None:
        """When care last was or will be, in microseconds; None where no date says.

        ``dates`` are the numbers of the date parameters that count. A date that was deleted
        counts as the day of its deletion, so that nobody shortens the time by deleting.
        """
        of_patient = (
            compartment.c.tenant == tenant,
            compartment.c.owner_kind == _PATIENT,
            compartment.c.owner_id == patient,
        )
        dated = await self._connection.fetch(
            select(func.max(idx_date.c.high))
            .select_from(compartment)
            .join(
                idx_date,
                (idx_date.c.tenant == compartment.c.tenant) & (idx_date.c.rid == compartment.c.rid),
            )
            .where(*of_patient, idx_date.c.param.in_(dates))
        )
        deleted = await self._connection.fetch(
            select(func.max(resource.c.updated))
            .select_from(compartment)
            .join(
                resource,
                (resource.c.tenant == compartment.c.tenant) & (resource.c.rid == compartment.c.rid),
            )
            .where(*of_patient, resource.c.deleted == 1)
        )
        found = [row[0] for row in (*dated, *deleted) if row[0] is not None]
        return max(found, default=None)

    async def has_key(self, tenant: int, owner: str) -> bool:
        """Whether anything can still be opened with an owner's key."""
        rows = await self._connection.fetch(
            select(data_key.c.key_id).where(
                data_key.c.tenant == tenant,
                data_key.c.owner == owner,
                data_key.c.destroyed.is_(None),
            )
        )
        return bool(rows)

    async def holds(self, tenant: int, patient: str) -> list[Hold]:
        """The legal holds that stand."""
        rows = await self._connection.fetch(
            select(
                legal_hold.c.hold_id, legal_hold.c.patient, legal_hold.c.reason, legal_hold.c.placed
            ).where(
                legal_hold.c.tenant == tenant,
                legal_hold.c.patient == patient,
                legal_hold.c.released.is_(None),
            )
        )
        return [Hold(*row) for row in rows]

    async def place(self, tenant: int, hold: Hold) -> None:
        """Adds a legal hold."""
        await self._connection.execute(
            insert(legal_hold),
            {
                "tenant": tenant,
                "hold_id": hold.hold_id,
                "patient": hold.patient,
                "reason": hold.reason,
                "placed": hold.placed,
                "released": None,
            },
        )

    async def release(self, tenant: int, patient: str, *, at: int) -> int:
        """Ends the holds that stand on a patient's record; how many."""
        return await self._connection.execute(
            update(legal_hold)
            .where(
                legal_hold.c.tenant == tenant,
                legal_hold.c.patient == patient,
                legal_hold.c.released.is_(None),
            )
            .values(released=at)
        )

    async def asked(self, tenant: int, patient: str) -> Asked | None:
        """Who asked for the destruction of a patient's key."""
        rows = await self._connection.fetch(
            select(destruction.c.asked_by, destruction.c.asked, destruction.c.confirmed).where(
                destruction.c.tenant == tenant, destruction.c.patient == patient
            )
        )
        return Asked(*rows[0]) if rows else None

    async def ask(self, tenant: int, patient: str, *, by: str, at: int) -> None:
        """Keeps that somebody asked, in place of who did before."""
        await self._connection.execute(
            delete(destruction).where(
                destruction.c.tenant == tenant, destruction.c.patient == patient
            )
        )
        await self._connection.execute(
            insert(destruction),
            {
                "tenant": tenant,
                "patient": patient,
                "asked_by": by,
                "asked": at,
                "confirmed_by": None,
                "confirmed": None,
            },
        )

    async def confirm(self, tenant: int, patient: str, *, by: str, at: int) -> None:
        """Keeps who confirmed."""
        await self._connection.execute(
            update(destruction)
            .where(destruction.c.tenant == tenant, destruction.c.patient == patient)
            .values(confirmed_by=by, confirmed=at)
        )

    async def withdraw(self, tenant: int, owner: str) -> int:
        """Ends everything sealed with an owner's key: no text, nothing to be found by."""
        rids = select(resource.c.rid).where(
            resource.c.tenant == tenant, resource.c.key_owner == owner
        )
        for table in INDEX_TABLES:
            await self._connection.execute(
                delete(table).where(table.c.tenant == tenant, table.c.rid.in_(rids))
            )
        for table in (resource, resource_history):
            await self._connection.execute(
                update(table)
                .where(table.c.tenant == tenant, table.c.key_owner == owner)
                .values(body=b"", data_class=None)
            )
        return await self._connection.execute(
            update(resource)
            .where(resource.c.tenant == tenant, resource.c.key_owner == owner)
            .values(deleted=1)
        )
