"""The tenants, and facts about the installation as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from sqlalchemy import Integer, bindparam, func, insert, select, update

from app.db.engine import Connection, Statement
from app.db.metadata import Str
from app.db.tables.installation import installation
from app.db.tables.resources import tenant
from app.domain.consent import Implicit

SHARED = 0  # the tenant of the official definitions

_FACT = Statement(
    select(installation.c.value).where(installation.c.name == bindparam("key", type_=Str))
)
_ADD_FACT = Statement(insert(installation))
_SET_FACT = Statement(
    update(installation)
    .where(installation.c.name == bindparam("key", type_=Str))
    .values(value=bindparam("new", type_=Str))
)
_TENANTS = Statement(
    select(tenant.c.id, tenant.c.slug, tenant.c.name, tenant.c.policy, tenant.c.zone).order_by(
        tenant.c.id
    )
)
_ZONE = Statement(select(tenant.c.zone).where(tenant.c.id == bindparam("this", type_=Integer())))
_SET_POLICY = Statement(
    update(tenant)
    .where(tenant.c.id == bindparam("this", type_=Integer()))
    .values(policy=bindparam("new", type_=Str))
)
_SET_ZONE = Statement(
    update(tenant)
    .where(tenant.c.id == bindparam("this", type_=Integer()))
    .values(zone=bindparam("new", type_=Str))
)
_ADD_TENANT = Statement(insert(tenant))
_LAST = Statement(select(func.max(tenant.c.id)))


@dataclass(frozen=True, slots=True)
class Tenant:
    """One clinic; ``zone`` is the IANA name of its time zone."""

    id: int
    slug: str
    name: str
    policy: Implicit = Implicit.CLINIC
    zone: str = "UTC"


def zone_named(name: str) -> tzinfo:
    """The time zone: UTC is known everywhere, others where the machine has the data."""
    return UTC if name == "UTC" else ZoneInfo(name)


class Installation:
    """Tenants and facts through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fact(self, name: str) -> str | None:
        """A fact's value."""
        rows = await self._connection.fetch(_FACT, {"key": name})
        return rows[0][0] if rows else None

    async def set_fact(self, name: str, value: str) -> None:
        """Keeps a fact."""
        if not await self._connection.execute(_SET_FACT, {"key": name, "new": value}):
            await self._connection.execute(_ADD_FACT, {"name": name, "value": value})

    async def tenants(self) -> list[Tenant]:
        """Every tenant, the shared one too."""
        rows = await self._connection.fetch(_TENANTS)
        return [
            Tenant(id, slug, name, Implicit(policy), zone) for id, slug, name, policy, zone in rows
        ]

    async def set_policy(self, tenant: int, policy: Implicit) -> None:
        """Decides what holds of a tenant's patients who have said nothing."""
        await self._connection.execute(_SET_POLICY, {"this": tenant, "new": policy.value})

    async def zone(self, tenant: int) -> tzinfo:
        """By whose clock it is night at a clinic."""
        rows = await self._connection.fetch(_ZONE, {"this": tenant})
        return zone_named(rows[0][0] if rows else "UTC")

    async def set_zone(self, tenant: int, zone: str) -> None:
        """Sets by whose clock it is night at a clinic."""
        await self._connection.execute(_SET_ZONE, {"this": tenant, "new": zone})

    async def add_tenant(self, slug: str, name: str, *, now: int, id: int | None = None) -> Tenant:
        """A new tenant under the next number. Raises ``UniqueViolation`` for a slug in use."""
        if id is None:
            last = (await self._connection.fetch(_LAST))[0][0]
            id = (last or SHARED) + 1
        await self._connection.execute(
            _ADD_TENANT,
            {
                "id": id,
                "slug": slug,
                "name": name,
                "created": now,
                "suspended": 0,
                "policy": Implicit.CLINIC.value,
                "zone": "UTC",
            },
        )
        return Tenant(id, slug, name)
