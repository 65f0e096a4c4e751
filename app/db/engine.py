"""One door to both databases.

Statements are built with SQLAlchemy Core and compiled here to the driver's SQL; asyncpg and
aiosqlite execute them. ``Statement`` keeps its compiled text, so a hot path compiles once.
A ``Connection`` runs statements; whether it is inside a transaction is its opener's matter,
and only ``repositories/unit_of_work.py`` opens one that writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

from sqlalchemy import Executable
from sqlalchemy.engine.interfaces import Dialect

Row = Sequence[Any]
Params = Mapping[str, Any]
DialectName = Literal["sqlite", "postgresql"]


class Statement:
    """A statement whose compiled text is kept, for statements built once."""

    __slots__ = ("_compiled", "element")

    def __init__(self, element: Executable) -> None:
        self.element = element
        self._compiled: dict[str, CompiledStatement] = {}

    def compiled(self, dialect: Dialect) -> CompiledStatement:
        """The driver's SQL, compiled at most once per dialect."""
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = CompiledStatement(self.element, dialect)
        return found


class CompiledStatement:
    """SQL text with the order in which its parameters are bound."""

    __slots__ = ("_defaults", "_names", "sql")

    def __init__(self, element: Executable, dialect: Dialect) -> None:
        text: Any = element.compile(dialect=dialect)  # type: ignore[attr-defined]
        if _unfinished(text):  # an IN list, whose length the text must spell out
            text = element.compile(  # type: ignore[attr-defined]
                dialect=dialect, compile_kwargs={"render_postcompile": True}
            )
        self.sql: str = str(text)
        self._names: tuple[str, ...] = tuple(text.positiontup or ())
        self._defaults: dict[str, Any] = {
            name: text.binds[name].effective_value if name in text.binds else None
            for name in self._names
        }
        # Values that the statement itself carries, expanded IN lists included.
        if _unfinished(text):
            self._defaults.update(text.params)

    def bind(self, params: Params | None) -> list[Any]:
        """The parameters in the order of the text."""
        values = self._defaults if params is None else {**self._defaults, **params}
        return [values[name] for name in self._names]


def _unfinished(text: Any) -> bool:
    return bool(text.post_compile_params or text.literal_execute_params)


class Connection(Protocol):
    """Runs statements on one database connection."""

    dialect: DialectName

    async def fetch(
        self, statement: Statement | Executable, params: Params | None = None
    ) -> Sequence[Row]:
        """The rows, as tuples in the order of the selected columns."""
        ...

    async def execute(self, statement: Statement | Executable, params: Params | None = None) -> int:
        """Runs a statement that returns no rows; the number of rows it touched."""
        ...

    async def execute_many(self, statement: Statement | Executable, rows: Sequence[Params]) -> None:
        """Runs one statement for each row of parameters."""
        ...

    async def lock(self, name: str) -> None:
        """Holds the named lock until the transaction ends."""
        ...


class Database(Protocol):
    """A pool of connections to one database."""

    dialect: DialectName

    def read(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for statements that each stand alone."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Connection]:
        """A connection whose statements all see one state."""
        ...

    def write(self) -> AbstractAsyncContextManager[Connection]:
        """A connection in a write transaction: committed on leaving, undone on an error."""
        ...

    async def close(self) -> None:
        """Closes every connection."""
        ...


def compiled(statement: Statement | Executable, dialect: Dialect) -> CompiledStatement:
    """The driver's form of a statement."""
    if isinstance(statement, Statement):
        return statement.compiled(dialect)
    return CompiledStatement(statement, dialect)


class DatabaseBusy(Exception):
    """The database could not serve in time: locked, full, unreachable or timed out."""


class UniqueViolation(Exception):
    """A row with this key exists already."""


async def connect(
    url: str, *, pool_size: int, lock_timeout: int, statement_timeout: int
) -> Database:
    """Opens the database that a URL names (``sqlite:///path`` or ``postgresql://…``).

    Raises ``DatabaseBusy`` when it cannot be reached.
    """
    if url.startswith("sqlite:"):
        from app.db.sqlite import SqliteDatabase  # noqa: PLC0415 - only the driver in use

        return await SqliteDatabase.open(url, readers=pool_size, busy_timeout=lock_timeout)
    from app.db.postgresql import PostgresqlDatabase  # noqa: PLC0415

    return await PostgresqlDatabase.open(
        url,
        pool_size=pool_size,
        lock_timeout=lock_timeout,
        statement_timeout=statement_timeout,
    )


__all__ = [
    "CompiledStatement",
    "Connection",
    "Database",
    "DatabaseBusy",
    "Params",
    "Row",
    "Statement",
    "UniqueViolation",
    "compiled",
    "connect",
]
