"""The connection of one unit of work.

A unit that writes may begin late: until something must be held or sent its reads stand alone,
and what it only adds can go in one statement at its end. A unit may depend on provisos, which are
asked together with the first thing that the unit asks; nothing is done before they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sqlalchemy import Executable

from app.db.engine import (
    Change,
    Connection,
    Database,
    DialectName,
    Params,
    Query,
    Row,
    Statement,
    Whose,
)


class ProvisoFailed(Exception):
    """What a unit of work depended on is no longer so."""


@dataclass(frozen=True, slots=True)
class Proviso:
    """A query for one row at most, and whether what it found is what was presumed."""

    query: Query
    holds: Callable[[Sequence[Row]], bool]


class Session:
    """Statements of one unit, on a connection or on the two that it takes in turn."""

    def __init__(
        self,
        database: Database,
        whose: Whose,
        opened: AbstractAsyncContextManager[Connection],
        *,
        begun: bool,
        provisos: Sequence[Proviso] = (),
    ) -> None:
        self.dialect: DialectName = database.dialect
        self._database = database
        self._whose = whose
        self._opened: AbstractAsyncContextManager[Connection] | None = opened
        self._begun = begun
        self._concluding = False
        self._provisos = provisos
        self._connection: Connection

    async def __aenter__(self) -> Self:
        assert self._opened is not None
        self._connection = await self._opened.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(kind, error, traceback)

    async def hold(self) -> None:
        """Asks whether the provisos hold, where nothing was asked yet."""
        if self._provisos:
            queries = [proviso.query for proviso in self._provisos]
            self._judge(await self._connection.fetch_all(queries))

    def _judge(self, found: Sequence[Sequence[Row]]) -> None:
        for proviso, rows in zip(self._provisos, found, strict=True):
            if not proviso.holds(rows):
                raise ProvisoFailed
        self._provisos = ()

    async def begin(self) -> None:
        """Makes what follows part of a transaction that writes."""
        if self._begun:
            return
        await self._leave()
        opened = self._database.write(self._whose)
        self._connection = await opened.__aenter__()
        self._opened, self._begun = opened, True

    async def conclude(self) -> None:
        """Lets the changes made next, which are the last, be a transaction by themselves."""
        await self.hold()
        self._concluding = True

    async def fetch(
        self, statement: Statement | Executable, params: Params | None = None
    ) -> Sequence[Row]:
        """The rows, as tuples."""
        if not self._provisos:
            return await self._connection.fetch(statement, params)
        if not isinstance(statement, Statement):
            await self.hold()
            return await self._connection.fetch(statement, params)
        queries = [proviso.query for proviso in self._provisos]
        *found, rows = await self._connection.fetch_all([*queries, Query(statement, params or {})])
        self._judge(found)
        return rows

    async def fetch_all(self, queries: Sequence[Query]) -> Sequence[Sequence[Row]]:
        """What several questions find."""
        provisos = [proviso.query for proviso in self._provisos]
        found = await self._connection.fetch_all([*provisos, *queries])
        if provisos:
            self._judge(found[: len(provisos)])
        return found[len(provisos) :]

    async def execute(self, statement: Statement | Executable, params: Params | None = None) -> int:
        """Runs a statement; the number of rows it touched."""
        await self._writing()
        return await self._connection.execute(statement, params)

    async def execute_many(self, statement: Statement | Executable, rows: Sequence[Params]) -> None:
        """Runs one statement for each row of parameters."""
        await self._writing()
        await self._connection.execute_many(statement, rows)

    async def apply(self, changes: Sequence[Change]) -> None:
        """Makes changes in their order."""
        await self.hold()
        if self._concluding and not self._begun:
            await self._leave()  # who waits for a connection must not hold another
            await self._database.apply(changes, self._whose)
            return
        await self.begin()
        await self._connection.apply(changes)

    async def lock(self, name: str) -> None:
        """Holds the named lock until the unit ends."""
        await self._writing()
        await self._connection.lock(name)

    async def turn_to(self, whose: Whose, /) -> None:
        """Sees other rows until the unit ends."""
        await self._writing()
        await self._connection.turn_to(whose)

    async def _leave(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.__aexit__(None, None, None)

    async def _writing(self) -> None:
        await self.hold()
        await self.begin()
