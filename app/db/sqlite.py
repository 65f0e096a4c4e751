"""SQLite: one writer, several readers, full durability.

WAL with ``synchronous=FULL`` keeps every committed row through a power cut; ``BEGIN
IMMEDIATE`` takes the write lock at once, since a read that turns into a write fails where
waiting would have worked. Each connection works in a thread of its own, so that no query
holds up the others; what is read by its key is read at once, since that takes less time than
to change threads.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Self, TypeVar

from sqlalchemy import Executable

from app.db.engine import (
    Change,
    DatabaseBusy,
    DialectName,
    Params,
    Query,
    Row,
    Statement,
    UniqueViolation,
    Whose,
    compiled,
)
from app.db.reading import OnlyReads
from app.db.sqlite_statements import DIALECT, Raw, applied, fetched, in_transaction, undo

T = TypeVar("T")

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA secure_delete=FAST",  # what was emptied is not left behind in its page
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
_TAKEN = (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE)


def _translated(error: BaseException) -> BaseException:
    found: BaseException = error
    if isinstance(error, sqlite3.IntegrityError) and error.sqlite_errorcode in _TAKEN:
        found = UniqueViolation()
    elif isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in _BUSY:
        found = DatabaseBusy()  # the low byte is the primary code
    if found is not error:
        found.__cause__ = error
    return found


class SqliteConnection:
    """A connection in a thread of its own."""

    dialect: DialectName = "sqlite"

    def __init__(self) -> None:
        self._jobs: SimpleQueue[tuple[asyncio.Future[Any], Callable[[Raw], Any]] | None] = (
            SimpleQueue()
        )
        self._loop = asyncio.get_running_loop()
        self._closed = False

    @classmethod
    async def open(cls, path: Path, busy_timeout: int) -> SqliteConnection:
        """Opens the file."""
        connection = cls()
        Thread(target=connection._work, args=(path, busy_timeout), daemon=True).start()
        await connection.do(lambda raw: None)
        return connection

    async def do(self, work: Callable[[Raw], T]) -> T:
        """Lets the thread do some work."""
        if self._closed:
            raise DatabaseBusy
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((future, work))
        return await future

    async def fetch(
        self, statement: Statement | Executable, params: Params | None = None
    ) -> Sequence[Row]:
        """The rows, as tuples."""
        text = compiled(statement, DIALECT)
        values = text.bind(params)
        return await self.do(lambda raw: raw.execute(text.sql, values).fetchall())

    async def fetch_all(self, queries: Sequence[Query]) -> Sequence[Sequence[Row]]:
        """What several questions find."""
        return await self.do(lambda raw: [fetched(raw, query) for query in queries])

    async def execute(self, statement: Statement | Executable, params: Params | None = None) -> int:
        """Runs a statement; the number of rows it touched."""
        text = compiled(statement, DIALECT)
        values = text.bind(params)
        return await self.do(lambda raw: raw.execute(text.sql, values).rowcount)

    async def execute_many(self, statement: Statement | Executable, rows: Sequence[Params]) -> None:
        """Runs one statement for each row of parameters."""
        text = compiled(statement, DIALECT)
        values = [text.bind(row) for row in rows]
        # The cursor ends in the thread: ending elsewhere it resets a statement that runs again.
        await self.do(lambda raw: raw.executemany(text.sql, values).rowcount)

    async def apply(self, changes: Sequence[Change]) -> None:
        """Makes changes in their order."""
        await self.do(lambda raw: applied(raw, changes))

    async def begin(self) -> None:
        """Nothing to do: whoever gives a connection to write with has begun."""

    async def lock(self, name: str) -> None:
        """Nothing to do: a write transaction already excludes every other."""

    async def turn_to(self, _whose: Whose, /) -> None:
        """Nothing to do: here the statements alone say whose rows they want."""

    async def run(self, sql: str) -> None:
        """Runs a control statement."""
        await self.do(lambda raw: raw.execute(sql).rowcount)

    async def close(self) -> None:
        """Ends the thread when it has done what it was given."""
        if not self._closed:
            self._closed = True
            self._jobs.put((closing := self._loop.create_future(), lambda raw: raw.close()))
            self._jobs.put(None)
            await closing

    def _work(self, path: Path, busy_timeout: int) -> None:
        raw: Raw | None = None
        while job := self._jobs.get():
            future, work = job
            result, failure = None, None
            try:
                raw = raw or _open(path, busy_timeout)
                result = work(raw)
            except BaseException as error:  # noqa: BLE001 - it is raised where the work was given
                failure = _translated(error)
            self._loop.call_soon_threadsafe(_settle, future, result, failure)


class SqliteReading(OnlyReads):
    """Reads that each stand alone: by key at once, others in a reader's thread."""

    dialect: DialectName = "sqlite"

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def fetch(
        self, statement: Statement | Executable, params: Params | None = None
    ) -> Sequence[Row]:
        """The rows, as tuples."""
        if isinstance(statement, Statement) and statement.by_key:
            return self._database.now(Query(statement, params or {}))
        async with self._database.reader() as reader:
            return await reader.fetch(statement, params)

    async def fetch_all(self, queries: Sequence[Query]) -> Sequence[Sequence[Row]]:
        """What several questions find."""
        return [await self.fetch(*query) for query in queries]

    async def turn_to(self, _whose: Whose, /) -> None:
        """Nothing to do: here the statements alone say whose rows they want."""


class SqliteDatabase:
    """The pool: readers in turn, the one writer, and a connection for what is read at once."""

    dialect: DialectName = "sqlite"

    def __init__(
        self, writer: SqliteConnection, readers: Sequence[SqliteConnection], direct: Raw
    ) -> None:
        self._writer = writer
        self._writing = asyncio.Lock()
        self._all = [writer, *readers]
        self._direct = direct
        self._readers: asyncio.LifoQueue[SqliteConnection] = asyncio.LifoQueue()
        for reader in readers:
            self._readers.put_nowait(reader)

    @classmethod
    async def open(cls, url: str, *, readers: int, busy_timeout: int) -> SqliteDatabase:
        """Opens the file that the URL names."""
        path = Path(url.removeprefix("sqlite:///"))
        opened = [await SqliteConnection.open(path, busy_timeout) for _ in range(readers + 1)]
        return cls(opened[0], opened[1:], _open(path, busy_timeout))

    def read(self, _whose: Whose, /) -> SqliteReading:
        """A reader in autocommit."""
        return SqliteReading(self)

    @asynccontextmanager
    async def snapshot(self, _whose: Whose, /) -> AsyncIterator[SqliteConnection]:
        """A reader in one read transaction."""
        async with self.reader() as reader:
            await reader.run("BEGIN")
            try:
                yield reader
            finally:
                await reader.run("ROLLBACK")

    @asynccontextmanager
    async def write(self, _whose: Whose, /) -> AsyncIterator[SqliteConnection]:
        """The writer in a transaction."""
        async with self._writing:
            await self._writer.run("BEGIN IMMEDIATE")
            try:
                yield self._writer
                await self._writer.run("COMMIT")
            except BaseException:
                await asyncio.shield(self._writer.do(undo))
                raise

    async def apply(self, changes: Sequence[Change], _whose: Whose, /) -> None:
        """Makes changes in a transaction of their own."""
        async with self._writing:
            await self._writer.do(lambda raw: in_transaction(raw, changes))

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[SqliteConnection]:
        """One of the connections for queries that take their time."""
        reader = await self._readers.get()
        try:
            yield reader
        finally:
            self._readers.put_nowait(reader)

    def now(self, query: Query) -> Sequence[Row]:
        """What a query by key finds, without a change of threads."""
        try:
            return fetched(self._direct, query)
        except sqlite3.Error as error:
            raise _translated(error) from error

    async def close(self) -> None:
        """Closes every connection."""
        for connection in self._all:
            await connection.close()
        self._direct.close()


def _open(path: Path, busy_timeout: int) -> Raw:
    raw = sqlite3.connect(
        path,
        isolation_level=None,
        timeout=busy_timeout,
        cached_statements=512,
        check_same_thread=False,
    )
    for pragma in _PRAGMAS:
        raw.execute(pragma)
    return raw


def _settle(future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
    if future.done():  # whoever asked has gone
        return
    if failure is None:
        future.set_result(result)
    else:
        future.set_exception(failure)
