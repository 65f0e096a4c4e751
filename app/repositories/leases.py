"""Leases: which process does what only one may do at a time."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, or_, update

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


class Leases:
    """Takes, renews and gives back leases by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hold(self, name: str, holder: str, *, now: int, until: int) -> bool:
        """Whether the holder has the lease until then; renews one it has."""
        async with self._database.write(_ROLES) as connection:
            taken = await connection.execute(
                _TAKE, {"lease_name": name, "by": holder, "now": now, "to": until}
            )
        if taken:
            return True
        try:
            async with self._database.write(_ROLES) as connection:
                await connection.execute(_INSERT, {"name": name, "holder": holder, "until": until})
        except UniqueViolation:
            return False
        return True

    async def release(self, name: str, holder: str) -> None:
        """Gives the lease back."""
        async with self._database.write(_ROLES) as connection:
            await connection.execute(_RELEASE, {"lease_name": name, "by": holder})
