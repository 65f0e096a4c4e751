"""A PostgreSQL primary, and a replica that takes the searches for it.

A replica may lag, and what was denied meanwhile must not be read there. So whoever reads asks the
primary first how far its log is durable, which everything that anybody was told of is part of, and
reads from the replica only when that has been replayed: a read sees every write, every withdrawal
and every revocation that was answered before it, as the primary would. Where the replica is not
there in time the primary answers, and the replica rests for a while.

Both are of one cluster, or the replica is never asked: the primary's identity is the replica's.
https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-RECOVERY-CONTROL
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    Select,
    cast,
    func,
    literal_column,
    select,
)

from app.db.engine import (
    Change,
    Connection,
    Database,
    DatabaseBusy,
    DialectName,
    EveryTenant,
    Params,
    Query,
    Row,
    Statement,
    Whose,
)
from app.db.reading import OnlyReads

PATIENCE: Final = 0.2  # seconds to wait for what the primary has
REST: Final = 5.0  # seconds in which a replica that was not there is left alone


def _place(of: ColumnElement[Any]) -> Select[Any]:
    """Whose log it is, and a place in it in octets."""
    cluster = func.pg_control_system().table_valued("system_identifier")
    octets = cast(func.pg_wal_lsn_diff(of, literal_column("'0/0'")), BigInteger)
    return select(cluster.c.system_identifier, octets)


_DURABLE: Final = Statement(_place(func.pg_current_wal_flush_lsn()))
_REPLAYED: Final = Statement(_place(func.pg_last_wal_replay_lsn()).where(func.pg_is_in_recovery()))


class ReplicatedDatabase:
    """The primary, for what is written and for what is read by its key, and its replica."""

    dialect: DialectName = "postgresql"

    def __init__(self, primary: Database, replica: Database) -> None:
        self.primary = primary
        self.replica = replica
        self._rests_until = 0.0

    def read(self, whose: Whose, /) -> AbstractAsyncContextManager[Connection]:
        """A connection for statements that each stand alone."""
        if isinstance(whose, EveryTenant):
            return self.primary.read(whose)
        return _Reading(self, whose)

    @asynccontextmanager
    async def snapshot(self, whose: Whose, /) -> AsyncIterator[Connection]:
        """A connection whose statements all see one state."""
        async with AsyncExitStack() as stack:
            yield await self._snapshot(whose, stack)

    async def _snapshot(self, whose: Whose, stack: AsyncExitStack) -> Connection:
        if not isinstance(whose, EveryTenant) and await self.follows(whose):
            try:
                return await stack.enter_async_context(self.replica.snapshot(whose))
            except DatabaseBusy:
                self.rest()
        return await stack.enter_async_context(self.primary.snapshot(whose))

    def write(self, whose: Whose, /) -> AbstractAsyncContextManager[Connection]:
        """A connection in a write transaction."""
        return self.primary.write(whose)

    async def apply(self, changes: Sequence[Change], whose: Whose, /) -> None:
        """Makes changes in a transaction of their own."""
        await self.primary.apply(changes, whose)

    async def close(self) -> None:
        """Closes every connection."""
        await self.replica.close()
        await self.primary.close()

    def rest(self) -> None:
        """Leaves the replica alone for a while."""
        self._rests_until = asyncio.get_running_loop().time() + REST

    async def follows(self, whose: Whose) -> bool:
        """Whether the replica has all that was durable when this was asked."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._rests_until:
            return False
        async with self.primary.read(whose) as primary:
            cluster, durable = (await primary.fetch(_DURABLE))[0]
        try:
            async with asyncio.timeout(PATIENCE):
                if await self._replays(cluster, durable, whose):
                    return True
        except (DatabaseBusy, TimeoutError):
            pass
        self.rest()
        return False

    async def _replays(self, cluster: int, durable: int, whose: Whose) -> bool:
        """Waits for a place in a cluster's log; false where it is another's."""
        pause = 0.0005
        async with self.replica.read(whose) as replica:
            while found := await replica.fetch(_REPLAYED):
                if found[0][0] != cluster:
                    break
                if found[0][1] >= durable:
                    return True
                await asyncio.sleep(pause)
                pause *= 2
        return False


class _Reading(OnlyReads):
    """Reads that each stand alone: by key from the primary, others from the replica.

    It holds one connection at a time: who waits for one must not hold another.
    """

    dialect: DialectName = "postgresql"

    def __init__(self, database: ReplicatedDatabase, whose: Whose) -> None:
        self._database = database
        self._whose = whose
        self._follows: bool | None = None  # not asked yet
        self._of: Database | None = None
        self._held = AsyncExitStack()
        self._connection: Connection

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._of = None
        await self._held.__aexit__(kind, error, traceback)

    async def fetch(
        self, statement: Statement | Executable, params: Params | None = None
    ) -> Sequence[Row]:
        """The rows, as tuples."""
        if not isinstance(statement, Statement):
            return await (await self._at(self._database.primary)).fetch(statement, params)
        return (await self.fetch_all([Query(statement, params or {})]))[0]

    async def fetch_all(self, queries: Sequence[Query]) -> Sequence[Sequence[Row]]:
        """What several questions find."""
        if not queries[-1].statement.by_key and await self._may_follow():
            try:
                return await (await self._at(self._database.replica)).fetch_all(queries)
            except DatabaseBusy as busy:
                self._follows = False
                self._database.rest()
                # Its statement may go on.
                await self.__aexit__(type(busy), busy, busy.__traceback__)
        return await (await self._at(self._database.primary)).fetch_all(queries)

    async def _may_follow(self) -> bool:
        if self._follows is None:
            await self.__aexit__(None, None, None)
            self._follows = await self._database.follows(self._whose)
        return self._follows

    async def _at(self, database: Database) -> Connection:
        if self._of is not database:
            await self.__aexit__(None, None, None)
            opened = database.read(self._whose)
            self._connection = await self._held.enter_async_context(opened)
            self._of = database
        return self._connection
