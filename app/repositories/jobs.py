"""How far long jobs have come, so that each goes on where it was stopped."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, Integer, bindparam, delete, insert, select, update

from app.db.engine import Connection, Statement
from app.db.metadata import Micros, Str
from app.db.tables.work import job


@dataclass(frozen=True, slots=True)
class Job:
    """A job under way: the last row number it did, and how many it did so far."""

    position: int
    done: int


_THIS = (
    job.c.tenant == bindparam("this_tenant", type_=Integer()),
    job.c.name == bindparam("this_name", type_=Str),
)
_FIND = Statement(select(job.c.position, job.c.done).where(*_THIS))
_ADD = Statement(insert(job))
_MOVE = Statement(
    update(job)
    .where(*_THIS)
    .values(
        position=bindparam("new_position", type_=BigInteger()),
        done=bindparam("new_done", type_=BigInteger()),
        updated=bindparam("now", type_=Micros),
    )
)
_END = Statement(delete(job).where(*_THIS))


class Jobs:
    """Jobs through one connection, each by its tenant and name."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, tenant: int, name: str) -> Job | None:
        """A job that was begun and has not ended."""
        key = {"this_tenant": tenant, "this_name": name}
        rows = await self._connection.fetch(_FIND, key)
        return Job(*rows[0]) if rows else None

    async def move(self, tenant: int, name: str, reached: Job, *, now: int) -> None:
        """Keeps how far a job has come; begins it where nobody has."""
        moved = {"new_position": reached.position, "new_done": reached.done, "now": now}
        key = {"this_tenant": tenant, "this_name": name}
        if not await self._connection.execute(_MOVE, {**key, **moved}):
            row = {"position": reached.position, "done": reached.done}
            begun = {"tenant": tenant, "name": name, "started": now, "updated": now}
            await self._connection.execute(_ADD, {**begun, **row})

    async def end(self, tenant: int, name: str) -> None:
        """Forgets a job: it has ended, or is to begin anew."""
        await self._connection.execute(_END, {"this_tenant": tenant, "this_name": name})
