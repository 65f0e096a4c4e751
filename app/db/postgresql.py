"""PostgreSQL through asyncpg: prepared statements, server-side limits, advisory locks.

A round trip costs more than most statements do, so what can go together does: two questions
in one statement, rows for several tables in one statement, and connections that go from one
unit to the next without being reset. Row-level security (``row_security.py``) costs none either:
a transaction says whose rows it is about where it begins, and what stands alone goes by a
connection whose session was told so before.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from itertools import chain
from types import TracebackType
from typing import Any

import asyncpg
from sqlalchemy import Executable, column, table
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from app.db.engine import (
    Change,
    CompiledStatement,
    DatabaseBusy,
    DialectName,
    Insert,
    Params,
    Query,
    Row,
    Statement,
    UniqueViolation,
    Whose,
    compiled,
)
from app.db.pool import PATIENCE, Pool, Pooled
from app.db.row_security import NOBODY, number, seeing

DIALECT = PGDialect_asyncpg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_BUSY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
    ConnectionError,
    TimeoutError,
    OSError,
)


class _Translating:
    """Turns the driver's errors into ours."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, asyncpg.UniqueViolationError):
            raise UniqueViolation from error
        if isinstance(error, _BUSY):
            raise DatabaseBusy from error


_translated = _Translating()


class PostgresqlConnection:
    """A pooled connection."""

    dialect: DialectName = "postgresql"

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    async def fetch(
        self, statement: Statement | Executable, params: Params | None = None
    ) -> Sequence[Row]:
        """The rows, as tuples."""
        text = compiled(statement, DIALECT)
        with _translated:
            rows: Sequence[Row] = await self.raw.fetch(text.sql, *text.bind(params))
        return rows

    async def fetch_all(self, queries: Sequence[Query]) -> Sequence[Sequence[Row]]:
        """What several questions find, by one statement."""
        if len(queries) == 1:
            return [await self.fetch(*queries[0])]
        texts = tuple([compiled(query.statement, DIALECT) for query in queries])
        values = [text.bind(query.params) for text, query in zip(texts, queries, strict=True)]
        with _translated:
            text = _together(texts, by_key=queries[-1].statement.by_key)
            rows: Sequence[Any] = await self.raw.fetch(text, *chain(*values))
        found: list[Sequence[Row]] = []
        start = 0
        for each in texts[:-1]:
            found.append([row[start : start + each.width] for row in rows[:1]])
            start += each.width
        # Then comes the number of the last one's row, none where it found nothing.
        is_empty = not rows or rows[0][start] is None
        found.append(() if is_empty else [row[start + 1 :] for row in rows])
        return found

    async def execute(self, statement: Statement | Executable, params: Params | None = None) -> int:
        """Runs a statement; the number of rows it touched."""
        text = compiled(statement, DIALECT)
        with _translated:
            status: str = await self.raw.execute(text.sql, *text.bind(params))
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def execute_many(self, statement: Statement | Executable, rows: Sequence[Params]) -> None:
        """Runs one statement for each row of parameters, in one round trip."""
        text = compiled(statement, DIALECT)
        with _translated:
            await self.raw.executemany(text.sql, [text.bind(row) for row in rows])

    async def apply(self, changes: Sequence[Change]) -> None:
        """Makes changes in their order; rows that are only added go in one statement."""
        added: list[tuple[Insert, Sequence[Params]]] = []
        for statement, rows in changes:
            if isinstance(statement, Insert):
                added.append((statement, rows))
            else:
                await self._add(added)
                added = []
                await self.execute_many(statement, rows)
        await self._add(added)

    async def _add(self, added: Sequence[tuple[Insert, Sequence[Params]]]) -> None:
        if not added:
            return
        text = _adding(tuple(statement for statement, _ in added))
        values = [
            [row[name] for row in rows] for statement, rows in added for name in statement.given
        ]
        with _translated:
            await self.raw.fetch(text, *values)

    async def turn_to(self, whose: Whose, /) -> None:
        """Sees other rows until the transaction ends."""
        with _translated:
            await self.raw.execute(seeing(whose, local=True))

    async def begin(self) -> None:
        """Nothing to do: whoever gives a connection to write with has begun."""

    async def lock(self, name: str) -> None:
        """Holds an advisory lock until the transaction ends."""
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        key = int.from_bytes(digest, "big", signed=True)
        with _translated:
            await self.raw.execute("SELECT pg_advisory_xact_lock($1)", key)


@lru_cache(maxsize=1024)
def _together(texts: tuple[CompiledStatement, ...], *, by_key: bool) -> str:
    """One statement: the rows of the first ones, beside them those of the last.

    They are in its order, but for a few that are read ``by_key``, which have none.
    """
    sources, number = [], 0
    for text in texts:
        sources.append(text.renumbered(number))
        number += len(text.names)
    *firsts, last = sources
    names = [f"q{place}" for place in range(len(firsts))]
    columns = ", ".join(f"{name}.*" for name in (*names, "last"))
    joined = " CROSS JOIN ".join(
        f"({source}) AS {name}" for source, name in zip(firsts, names, strict=True)
    )
    place, order = ("1", "") if by_key else ("row_number() OVER ()", " ORDER BY last.place")
    return (
        f"SELECT {columns} FROM {joined} LEFT JOIN "  # noqa: S608 - all are compiled
        f"(SELECT {place} AS place, rows.* FROM ({last}) AS rows) AS last ON true{order}"
    )


@lru_cache(maxsize=512)
def _adding(statements: tuple[Insert, ...]) -> str:
    """One statement that adds rows to several tables, each column of them an array."""
    parts, number = [], 0
    for statement in statements:
        given, arrays = statement.given, []
        for type_ in given.values():
            number += 1
            arrays.append(f"${number}::{type_.compile(DIALECT).partition(' COLLATE')[0]}[]")
        rows = f"SELECT * FROM unnest({', '.join(arrays)})"  # noqa: S608 - all are compiled
        if statement.chosen is not None:
            of = table("given", *(column(name, type_) for name, type_ in given.items()))
            chosen = CompiledStatement(statement.chosen(dict(of.c)), DIALECT).sql
            rows = f"WITH given ({', '.join(given)}) AS ({rows}) {chosen}"
        parts.append(f"INSERT INTO {statement.table.name} ({', '.join(statement.columns)}) {rows}")
    *others, last = parts
    named = ", ".join(f"part{place} AS ({part})" for place, part in enumerate(others))
    return f"WITH {named} {last}" if others else last


class PostgresqlDatabase:
    """The pool."""

    dialect: DialectName = "postgresql"

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @classmethod
    def of(
        cls, url: str, *, pool_size: int, lock_timeout: int, statement_timeout: int
    ) -> PostgresqlDatabase:
        """The pool; every session commits durably and gives up in time."""
        pool = Pool(
            url,
            size=pool_size,
            options={
                "command_timeout": statement_timeout + 5,
                "timeout": PATIENCE,
                "statement_cache_size": 1024,
                "server_settings": {
                    "application_name": "rapport",
                    "synchronous_commit": "on",
                    "statement_timeout": f"{statement_timeout}s",
                    "lock_timeout": f"{lock_timeout}s",
                    "idle_in_transaction_session_timeout": f"{statement_timeout}s",
                    "jit": "off",
                    # Statements are few and asked often; to plan one takes longer than to run it.
                    "plan_cache_mode": "force_generic_plan",
                },
            },
        )
        return cls(pool)

    async def reach(self) -> None:
        """Opens a first connection; raises ``DatabaseBusy`` where none can be had."""
        with _translated:
            self._pool.release(await self._pool.acquire(NOBODY))

    def read(self, whose: Whose, /) -> _Autocommit:
        """A connection in autocommit."""
        return _Autocommit(self._pool, number(whose))

    @asynccontextmanager
    async def snapshot(self, whose: Whose, /) -> AsyncIterator[PostgresqlConnection]:
        """A connection in one repeatable-read, read-only transaction."""
        opened = self._checked_out(whose)
        async with opened as connection, _transaction(connection, _SNAPSHOT, whose):
            yield connection

    @asynccontextmanager
    async def write(self, whose: Whose, /) -> AsyncIterator[PostgresqlConnection]:
        """A connection in a transaction."""
        opened = self._checked_out(whose)
        async with opened as connection, _transaction(connection, "BEGIN", whose):
            yield connection

    def _checked_out(self, whose: Whose) -> _Autocommit:
        """A connection for a transaction, which says by itself whose rows it sees."""
        return _Autocommit(self._pool, number(whose), turned=False)

    async def apply(self, changes: Sequence[Change], whose: Whose, /) -> None:
        """Makes changes in a transaction of their own: one statement is one by itself."""
        only_adds = all(isinstance(change.statement, Insert) for change in changes)
        async with self.read(whose) if only_adds else self.write(whose) as connection:
            await connection.apply(changes)

    async def close(self) -> None:
        """Closes the pool."""
        await self._pool.close()


_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class _Autocommit:
    """A pooled connection for the length of a block, its session ``turned`` to the rows' owner."""

    def __init__(self, pool: Pool, sees: int, *, turned: bool = True) -> None:
        self._pool = pool
        self._sees = sees
        self._turned = turned
        self._pooled: Pooled

    async def __aenter__(self) -> PostgresqlConnection:
        with _translated:
            self._pooled = pooled = await self._pool.acquire(self._sees)
            if self._turned and pooled.sees != self._sees:
                await self._turn(pooled)
        return PostgresqlConnection(pooled.raw)

    async def _turn(self, pooled: Pooled) -> None:
        try:
            await pooled.raw.execute(seeing(self._sees))
        except BaseException:
            pooled.raw.terminate()  # nobody knows what it sees
            self._pool.release(pooled)
            raise
        pooled.sees = self._sees

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, (asyncio.CancelledError, DatabaseBusy)):
            self._pooled.raw.terminate()  # a statement may still be under way
        self._pool.release(self._pooled)


@asynccontextmanager
async def _transaction(
    connection: PostgresqlConnection, begin: str, whose: Whose
) -> AsyncIterator[None]:
    raw = connection.raw
    with _translated:
        await raw.execute(f"{begin}; {seeing(whose, local=True)}")  # one round trip
    try:
        yield
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError):
            raw.terminate()  # a statement may still be under way
        elif not raw.is_closed():
            with _translated:
                await raw.execute("ROLLBACK")
        raise
    with _translated:
        await raw.execute("COMMIT")
