"""SQLite: one writer, several readers, full durability.

WAL with ``synchronous=FULL`` keeps every committed row through a power cut; ``BEGIN
IMMEDIATE`` takes the write lock at once, since a read that turns into a write fails where
waiting would have worked.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import Executable
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite

from app.db.engine import (
    DatabaseBusy,
    DialectName,
    Params,
    Row,
    Statement,
    UniqueViolation,
    compiled,
)

DIALECT = SQLiteDialect_aiosqlite(paramstyle="qmark")
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-16000",
)

_BUSY = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_NOMEM,
    )
)


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode in (
            sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
            sqlite3.SQLITE_CONSTRAINT_UNIQUE,
        ):
            raise UniqueViolation from error
        raise
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in _BUSY:  # the low byte is the primary code
            raise DatabaseBusy from error
        raise


class SqliteConnection:
    """A connection in its own thread."""

    dialect: DialectName = "sqlite"

    def __init__(self, raw: aiosqlite.Connection) -> None:
        self.raw = raw

    async def fetch(
        self, statement: Statement | Executable, params: Params | None = None
    ) -> Sequence[Row]:
        """The rows, as tuples."""
        text = compiled(statement, DIALECT)
        async with _translated():
            return list(await self.raw.execute_fetchall(text.sql, text.bind(params)))

    async def execute(self, statement: Statement | Executable, params: Params | None = None) -> int:
        """Runs a statement; the number of rows it touched."""
        text = compiled(statement, DIALECT)
        async with _translated(), self.raw.execute(text.sql, text.bind(params)) as cursor:
            return cursor.rowcount

    async def execute_many(self, statement: Statement | Executable, rows: Sequence[Params]) -> None:
        """Runs one statement for each row of parameters."""
        text = compiled(statement, DIALECT)
        async with (
            _translated(),
            self.raw.executemany(text.sql, [text.bind(row) for row in rows]),
        ):
            pass

    async def lock(self, name: str) -> None:
        """Nothing to do: a write transaction already excludes every other."""

    async def run(self, sql: str) -> None:
        """Runs a control statement."""
        async with _translated(), self.raw.execute(sql):
            pass


class SqliteDatabase:
    """The pool: readers in turn, and the one writer."""

    dialect: DialectName = "sqlite"

    def __init__(self, writer: SqliteConnection, readers: Sequence[SqliteConnection]) -> None:
        self._writer = writer
        self._writing = asyncio.Lock()
        self._all = [writer, *readers]
        self._readers: asyncio.LifoQueue[SqliteConnection] = asyncio.LifoQueue()
        for reader in readers:
            self._readers.put_nowait(reader)

    @classmethod
    async def open(cls, url: str, *, readers: int, busy_timeout: int) -> SqliteDatabase:
        """Opens the file that the URL names."""
        path = Path(url.removeprefix("sqlite:///"))
        opened = [await _open(path, busy_timeout) for _ in range(readers + 1)]
        return cls(opened[0], opened[1:])

    @asynccontextmanager
    async def read(self) -> AsyncIterator[SqliteConnection]:
        """A reader in autocommit."""
        reader = await self._readers.get()
        try:
            yield reader
        finally:
            self._readers.put_nowait(reader)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[SqliteConnection]:
        """A reader in one read transaction."""
        async with self.read() as reader:
            await reader.run("BEGIN")
            try:
                yield reader
            finally:
                await reader.run("ROLLBACK")

    @asynccontextmanager
    async def write(self) -> AsyncIterator[SqliteConnection]:
        """The writer in a transaction."""
        async with self._writing:
            await self._writer.run("BEGIN IMMEDIATE")
            try:
                yield self._writer
                await self._writer.run("COMMIT")
            except BaseException:
                await asyncio.shield(_undo(self._writer))
                raise

    async def close(self) -> None:
        """Closes every connection."""
        for connection in self._all:
            await connection.raw.close()


async def _undo(connection: SqliteConnection) -> None:
    if connection.raw.in_transaction:
        await connection.raw.rollback()


async def _open(path: Path, busy_timeout: int) -> SqliteConnection:
    async with _translated():
        raw: Any = await aiosqlite.connect(
            path, isolation_level=None, timeout=busy_timeout, cached_statements=512
        )
    connection = SqliteConnection(raw)
    for pragma in _PRAGMAS:
        await connection.run(pragma)
    return connection
