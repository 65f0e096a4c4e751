"""Leases: which process does what only one may do at a time."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, or_, update

from app.core.clock import Clock
from app.db.engine import Database, EveryTenant, Statement, UniqueViolation
from app.db.metadata import Micros, Str
from app.db.tables.queue import lease

_ROLES = EveryTenant("one process does it for all")
_INSERT = Statement(insert(lease))
_TAKE = Statement(
    update(lease)
    .where(
        lease.c.name == bindparam("lease_name", type_=Str),
        or_(
            lease.c.holder == bindparam("by", type_=Str),
            lease.c.until <= bindparam("now", type_=Micros),
        ),
    )
    .values(holder=bindparam("by", type_=Str), until=bindparam("to", type_=Micros))
)
_RELEASE = Statement(
    delete(lease).where(
        lease.c.name == bindparam("lease_name", type_=Str),
        lease.c.holder == bindparam("by", type_=Str),
    )
)


class Role:
    """What one process does for all: it has the lease, or another does.

    ``holder`` names the process, ``lasting`` (microseconds) how long after its last sign of life
    another may take its place.
    """

    def __init__(
        self, database: Database, name: str, *, holder: str, lasting: int, clock: Clock
    ) -> None:
        self._database = database
        self._name = name
        self._holder = holder
        self._lasting = lasting
        self._clock = clock
        self._until = 0

    @property
    def is_held(self) -> bool:
        """Whether the lease is this process's, as far as it knows without asking."""
        return self._until > self._clock.now()

    async def take(self) -> bool:
        """Whether the role is this process's; renews the lease when half of it is over."""
        now = self._clock.now()
        if self._until - now > self._lasting // 2:
            return True
        held = await self._hold(now, now + self._lasting)
        self._until = now + self._lasting if held else 0
        return held

    async def leave(self) -> None:
        """Leaves the role to others."""
        if self._until:
            self._until = 0
            async with self._database.write(_ROLES) as connection:
                await connection.execute(_RELEASE, {"lease_name": self._name, "by": self._holder})

    async def _hold(self, now: int, until: int) -> bool:
        async with self._database.write(_ROLES) as connection:
            taken = await connection.execute(
                _TAKE, {"lease_name": self._name, "by": self._holder, "now": now, "to": until}
            )
        if taken:
            return True
        row = {"name": self._name, "holder": self._holder, "until": until}
        try:
            async with self._database.write(_ROLES) as connection:
                await connection.execute(_INSERT, row)
        except UniqueViolation:
            return False
        return True
