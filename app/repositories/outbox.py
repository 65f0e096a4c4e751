"""What must follow a write: rows that name a version and the reaction it calls for.

A row is written with the version, claimed by the relay, and removed with what the reaction
stored. A reaction that fails is due again later; nothing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Integer, bindparam, delete, func, select, update

from app.core.clock import SECOND
from app.db.engine import Change, Connection, Insert, Statement
from app.db.metadata import Micros
from app.db.tables.queue import outbox

_LONGEST_WAIT = 3600 * SECOND


@dataclass(frozen=True, slots=True)
class Written:
    """A version was written, and ``reaction`` must follow: at once, or when it is ``due``."""

    tenant: int
    oid: int
    reaction: str
    kind: int
    id: str
    version: int
    attempts: int = 0
    due: int | None = None


_THIS = (
    outbox.c.tenant == bindparam("this_tenant", type_=Integer()),
    outbox.c.oid == bindparam("this_oid", type_=BigInteger()),
)
_INSERT = Insert(outbox)
_DONE = Statement(delete(outbox).where(*_THIS))
_DUE = Statement(
    select(
        outbox.c.tenant,
        outbox.c.oid,
        outbox.c.reaction,
        outbox.c.kind,
        outbox.c.id,
        outbox.c.version,
        outbox.c.attempts,
    )
    .where(outbox.c.due <= bindparam("now", type_=Micros))
    .order_by(outbox.c.due, outbox.c.oid)
    .limit(bindparam("most", type_=Integer()))
)
_LATER = Statement(
    update(outbox)
    .where(*_THIS)
    .values(due=bindparam("due", type_=Micros), attempts=outbox.c.attempts + 1)
)
_BACKLOG = Statement(
    select(func.count(), func.min(outbox.c.created)).where(
        outbox.c.created <= bindparam("now", type_=Micros)
    )
)


class Outbox:
    """The queue of reactions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @staticmethod
    def added(rows: Sequence[Written], *, now: int) -> Change:
        """Reactions that go into the queue with the write that calls for them."""
        return Change(
            _INSERT,
            [
                {
                    "tenant": row.tenant,
                    "oid": row.oid,
                    "reaction": row.reaction,
                    "kind": row.kind,
                    "id": row.id,
                    "version": row.version,
                    "created": now if row.due is None else row.due,
                    "due": now if row.due is None else row.due,
                    "attempts": 0,
                }
                for row in rows
            ],
        )

    async def due(self, now: int, *, limit: int) -> Sequence[Written]:
        """What is to be done now, oldest first."""
        rows = await self._connection.fetch(_DUE, {"now": now, "most": limit})
        return [Written(*row) for row in rows]

    async def claim(self, row: Written) -> bool:
        """Removes a row with the work it calls for; False where it was done already."""
        key = {"this_tenant": row.tenant, "this_oid": row.oid}
        return await self._connection.execute(_DONE, key) == 1

    async def postpone(self, row: Written, *, now: int) -> None:
        """Sets a failed row back: 1 s, 2 s, 4 s … at most an hour."""
        wait = min(SECOND << min(row.attempts, 12), _LONGEST_WAIT)
        await self._connection.execute(
            _LATER, {"this_tenant": row.tenant, "this_oid": row.oid, "due": now + wait}
        )

    async def backlog(self, now: int) -> tuple[int, int | None]:
        """How many rows wait, and since when the oldest does; not what is for later."""
        rows = await self._connection.fetch(_BACKLOG, {"now": now})
        return int(rows[0][0]), rows[0][1]
