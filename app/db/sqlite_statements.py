"""What SQLite is asked, on the thread that has the connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from app.db.engine import Change, Insert, Params, Query, Row, compiled

Raw = sqlite3.Connection

DIALECT = SQLiteDialect_pysqlite(paramstyle="qmark")
_TOGETHER = (64, 16, 4, 1)  # rows that one statement adds


def fetched(raw: Raw, query: Query) -> list[Row]:
    """What a query finds."""
    text = compiled(query.statement, DIALECT)
    return raw.execute(text.sql, text.bind(query.params)).fetchall()


def applied(raw: Raw, changes: Sequence[Change]) -> None:
    """Makes changes in their order."""
    for statement, rows in changes:
        if isinstance(statement, Insert) and statement.chosen is None:
            _add(raw, statement, rows)
        else:
            text = compiled(statement, DIALECT)
            raw.executemany(text.sql, [text.bind(row) for row in rows])


def _add(raw: Raw, statement: Insert, rows: Sequence[Params]) -> None:
    """Adds rows by few statements: each is one time without the interpreter's lock."""
    start = 0
    for size in _TOGETHER:
        while len(rows) - start >= size:
            chunk = rows[start : start + size]
            raw.execute(
                _adding(statement, size), [row[name] for row in chunk for name in statement.columns]
            )
            start += size


@lru_cache(maxsize=512)
def _adding(statement: Insert, rows: int) -> str:
    columns = statement.columns
    row = f"({', '.join('?' * len(columns))})"
    return (
        f"INSERT INTO {statement.table.name} ({', '.join(columns)}) "  # noqa: S608 - names of ours
        f"VALUES {', '.join([row] * rows)}"
    )


def in_transaction(raw: Raw, changes: Sequence[Change]) -> None:
    """Makes changes in a transaction of their own."""
    raw.execute("BEGIN IMMEDIATE")
    try:
        applied(raw, changes)
        raw.execute("COMMIT")
    except BaseException:
        undo(raw)
        raise


def undo(raw: Raw) -> None:
    """Ends a transaction as if it had not begun."""
    if raw.in_transaction:
        raw.rollback()
