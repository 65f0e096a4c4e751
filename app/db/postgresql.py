"""PostgreSQL through asyncpg: prepared statements, server-side limits, advisory locks."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from app.db.engine import (
    DatabaseBusy,
    DialectName,
    Params,
    Row,
    Statement,
    UniqueViolation,
    compiled,
)

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


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise UniqueViolation from error
    except _BUSY as error:
        raise DatabaseBusy from error


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
        async with _translated():
            rows: Sequence[Row] = await self.raw.fetch(text.sql, *text.bind(params))
        return rows

    async def execute(self, statement: Statement | Executable, params: Params | None = None) -> int:
        """Runs a statement; the number of rows it touched."""
        text = compiled(statement, DIALECT)
        async with _translated():
            status: str = await self.raw.execute(text.sql, *text.bind(params))
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def execute_many(self, statement: Statement | Executable, rows: Sequence[Params]) -> None:
        """Runs one statement for each row of parameters, in one round trip."""
        text = compiled(statement, DIALECT)
        async with _translated():
            await self.raw.executemany(text.sql, [text.bind(row) for row in rows])

    async def lock(self, name: str) -> None:
        """Holds an advisory lock until the transaction ends."""
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        key = int.from_bytes(digest, "big", signed=True)
        async with _translated():
            await self.raw.execute("SELECT pg_advisory_xact_lock($1)", key)


class PostgresqlDatabase:
    """The pool."""

    dialect: DialectName = "postgresql"

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @classmethod
    async def open(
        cls, url: str, *, pool_size: int, lock_timeout: int, statement_timeout: int
    ) -> PostgresqlDatabase:
        """Opens the pool; every session commits durably and gives up in time."""
        async with _translated():
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=pool_size,
                command_timeout=statement_timeout + 5,
                statement_cache_size=1024,
                server_settings={
                    "application_name": "rapport",
                    "synchronous_commit": "on",
                    "statement_timeout": f"{statement_timeout}s",
                    "lock_timeout": f"{lock_timeout}s",
                    "idle_in_transaction_session_timeout": f"{statement_timeout}s",
                    "jit": "off",
                },
            )
        return cls(pool)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[PostgresqlConnection]:
        """A connection in autocommit."""
        async with self._acquired() as raw:
            yield PostgresqlConnection(raw)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PostgresqlConnection]:
        """A connection in one repeatable-read, read-only transaction."""
        async with (
            self._acquired() as raw,
            raw.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield PostgresqlConnection(raw)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[PostgresqlConnection]:
        """A connection in a transaction."""
        async with self._acquired() as raw:
            transaction = raw.transaction()
            async with _translated():
                await transaction.start()
            try:
                yield PostgresqlConnection(raw)
            except BaseException:
                if not raw.is_closed():
                    async with _translated():
                        await transaction.rollback()
                raise
            async with _translated():
                await transaction.commit()

    async def close(self) -> None:
        """Closes the pool."""
        await self._pool.close()

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[Any]:
        async with _translated():
            raw = await self._pool.acquire(timeout=10)
        try:
            yield raw
        finally:
            await self._pool.release(raw)
