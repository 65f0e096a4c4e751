"""A database in memory, for rows that must not be written anywhere: gone when it is closed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Executable, Table
from sqlalchemy.schema import CreateTable

from app.db.engine import (
    Change,
    DialectName,
    Insert,
    Params,
    Query,
    Row,
    Statement,
    Whose,
    compiled,
)
from app.db.sqlite_statements import DIALECT, applied, fetched


class ScratchConnection:
    """Runs statements on a database of its own in memory."""

    dialect: DialectName = "sqlite"

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    def add(self, statement: Insert, rows: Sequence[Params]) -> None:
        """Adds rows."""
        applied(self._raw, [Change(statement, rows)])

    async def fetch(
        self, statement: Statement | Executable, params: Params | None = None
    ) -> Sequence[Row]:
        """The rows."""
        text = compiled(statement, DIALECT)
        return self._raw.execute(text.sql, text.bind(params)).fetchall()

    async def fetch_all(self, queries: Sequence[Query]) -> Sequence[Sequence[Row]]:
        """What several questions find."""
        return [fetched(self._raw, query) for query in queries]

    async def execute(self, statement: Statement | Executable, params: Params | None = None) -> int:
        """Runs a statement that returns no rows."""
        text = compiled(statement, DIALECT)
        return self._raw.execute(text.sql, text.bind(params)).rowcount

    async def execute_many(self, statement: Statement | Executable, rows: Sequence[Params]) -> None:
        """Runs one statement for each row of parameters."""
        text = compiled(statement, DIALECT)
        self._raw.executemany(text.sql, [text.bind(row) for row in rows])

    async def apply(self, changes: Sequence[Change]) -> None:
        """Makes changes in their order."""
        applied(self._raw, changes)

    async def begin(self) -> None:
        """It is a transaction of its own."""

    async def lock(self, name: str) -> None:
        """Nobody else is here."""

    async def turn_to(self, whose: Whose, /) -> None:
        """There are no other rows to see."""


@contextmanager
def scratch(tables: Sequence[Table]) -> Iterator[ScratchConnection]:
    """A database with these tables, without their indexes."""
    raw = sqlite3.connect(":memory:", check_same_thread=False)
    try:
        raw.execute("PRAGMA temp_store=MEMORY")
        for table in tables:
            raw.execute(str(CreateTable(table).compile(dialect=DIALECT)))
        yield ScratchConnection(raw)
    finally:
        raw.close()
