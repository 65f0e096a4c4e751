"""One door to both databases.

Statements are built with SQLAlchemy Core and compiled here to the driver's SQL; asyncpg and
sqlite3 execute them. ``Statement`` keeps its compiled text, so a hot path compiles once.
A ``Connection`` runs statements; whether it is inside a transaction is its opener's matter,
and only ``repositories/unit_of_work.py`` opens one that writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol

from sqlalchemy import ColumnElement, Executable, Select, Table, bindparam, insert
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeEngine

Row = Sequence[Any]
Params = Mapping[str, Any]
DialectName = Literal["sqlite", "postgresql"]


@dataclass(frozen=True, slots=True)
class EveryTenant:
    """Whose rows: every clinic's, as far as ``db/row_security.py`` lets them be seen together.

    ``why`` is for readers: what is done before a tenant is known, or for the installation.
    """

    why: str


# Whose rows a connection sees: one tenant's, by its number, or those of all.
Whose = int | EveryTenant


class Statement:
    """A statement whose compiled text is kept, for statements built once.

    ``by_key`` tells that it reads a few rows by their keys, which takes no longer than to hand
    the work to somebody else.
    """

    __slots__ = ("_compiled", "by_key", "element")

    def __init__(self, element: Executable, *, by_key: bool = False) -> None:
        self.element = element
        self.by_key = by_key
        self._compiled: dict[str, CompiledStatement] = {}

    def compiled(self, dialect: Dialect) -> CompiledStatement:
        """The driver's SQL, compiled at most once per dialect."""
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = CompiledStatement(self.element, dialect)
        return found


Chosen = Callable[[Mapping[str, ColumnElement[Any]]], Select[*tuple[Any, ...]]]


class Insert(Statement):
    """Adds rows to a table, however many there are.

    ``given`` are the names and types of what each row brings: the table's columns, or what
    ``chosen`` makes a query of, without other parameters, for the rows that are added instead.
    """

    __slots__ = ("chosen", "columns", "given", "table")

    def __init__(
        self,
        table: Table,
        given: Mapping[str, TypeEngine[Any]] | None = None,
        chosen: Chosen | None = None,
    ) -> None:
        self.table = table
        self.columns = tuple(column.name for column in table.columns)
        self.given = given or {column.name: column.type for column in table.columns}
        self.chosen = chosen
        adds = insert(table)
        if chosen is not None:
            binds = {name: bindparam(name, type_=type_) for name, type_ in self.given.items()}
            adds = adds.from_select(self.columns, chosen(binds))
        super().__init__(adds)


class Query(NamedTuple):
    """A statement that reads, and its parameters."""

    statement: Statement
    params: Params


class Change(NamedTuple):
    """A statement that writes, and the parameters of each time that it runs."""

    statement: Statement
    rows: Sequence[Params]


class CompiledStatement:
    """SQL text with the order in which its parameters are bound; ``width`` counts its columns."""

    __slots__ = ("_brings_some", "_defaults", "names", "sql", "width")

    def __init__(self, element: Executable, dialect: Dialect) -> None:
        text: Any = element.compile(dialect=dialect)  # type: ignore[attr-defined]
        if _unfinished(text):  # an IN list, whose length the text must spell out
            text = element.compile(  # type: ignore[attr-defined]
                dialect=dialect, compile_kwargs={"render_postcompile": True}
            )
        self.sql: str = str(text)
        self.names: tuple[str, ...] = tuple(text.positiontup or ())
        self._defaults: dict[str, Any] = {
            name: text.binds[name].effective_value if name in text.binds else None
            for name in self.names
        }
        # Values that the statement itself carries, expanded IN lists included.
        if _unfinished(text):
            self._defaults.update(text.params)
        self._brings_some = any(value is not None for value in self._defaults.values())
        self.width = len(getattr(element, "selected_columns", ()))

    def bind(self, params: Params | None) -> list[Any]:
        """The parameters in the order of the text."""
        values = self._defaults if params is None else params
        if self._brings_some or len(values) < len(self._defaults):
            values = {**self._defaults, **values}
        return [values[name] for name in self.names]

    def renumbered(self, first: int) -> str:
        """The text with its numbered parameters, ``$1`` and on, after ``first`` others."""
        return _NUMBERED.sub(lambda found: f"${int(found[1]) + first}", self.sql)


# A dollar sign elsewhere than before a parameter's number stands in no text that Core writes.
_NUMBERED = re.compile(r"\$(\d+)")


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

    async def fetch_all(self, queries: Sequence[Query]) -> Sequence[Sequence[Row]]:
        """What several questions find, asked at once.

        All but the last find one row at most; where one of those finds none, the others may
        not have been asked.
        """
        ...

    async def execute(self, statement: Statement | Executable, params: Params | None = None) -> int:
        """Runs a statement that returns no rows; the number of rows it touched."""
        ...

    async def execute_many(self, statement: Statement | Executable, rows: Sequence[Params]) -> None:
        """Runs one statement for each row of parameters."""
        ...

    async def apply(self, changes: Sequence[Change]) -> None:
        """Makes changes in their order, in as few round trips as the database can."""
        ...

    async def begin(self) -> None:
        """Makes what follows part of a transaction that writes."""
        ...

    async def lock(self, name: str) -> None:
        """Holds the named lock until the transaction ends."""
        ...

    async def turn_to(self, whose: Whose, /) -> None:
        """Sees other rows from here to the end of the transaction."""
        ...


class Database(Protocol):
    """A pool of connections to one database.

    ``whose`` says whose rows will be seen. It stands behind every statement's own predicate
    where the database can hold a connection to it, as PostgreSQL can.
    """

    dialect: DialectName

    def read(self, whose: Whose, /) -> AbstractAsyncContextManager[Connection]:
        """A connection for statements that each stand alone."""
        ...

    def snapshot(self, whose: Whose, /) -> AbstractAsyncContextManager[Connection]:
        """A connection whose statements all see one state."""
        ...

    def write(self, whose: Whose, /) -> AbstractAsyncContextManager[Connection]:
        """A connection in a write transaction: committed on leaving, undone on an error."""
        ...

    async def apply(self, changes: Sequence[Change], whose: Whose, /) -> None:
        """Makes changes in a transaction of their own; they last when this returns."""
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
    url: str, *, pool_size: int, lock_timeout: int, statement_timeout: int, replica_url: str = ""
) -> Database:
    """Opens the database that a URL names (``sqlite:///path`` or ``postgresql://…``).

    ``replica_url`` names a streaming replica of a PostgreSQL that may take its searches.
    Raises ``DatabaseBusy`` when the database cannot be reached.
    """
    if url.startswith("sqlite:"):
        from app.db.sqlite import SqliteDatabase  # noqa: PLC0415 - only the driver in use

        return await SqliteDatabase.open(url, readers=pool_size, busy_timeout=lock_timeout)
    from app.db.postgresql import PostgresqlDatabase  # noqa: PLC0415

    made = partial(
        PostgresqlDatabase.of,
        pool_size=pool_size,
        lock_timeout=lock_timeout,
        statement_timeout=statement_timeout,
    )
    primary = made(url)
    await primary.reach()
    if not replica_url:
        return primary
    from app.db.replica import ReplicatedDatabase  # noqa: PLC0415

    return ReplicatedDatabase(primary, made(replica_url))


__all__ = [
    "Change",
    "CompiledStatement",
    "Connection",
    "Database",
    "DatabaseBusy",
    "EveryTenant",
    "Insert",
    "Params",
    "Query",
    "Row",
    "Statement",
    "UniqueViolation",
    "Whose",
    "compiled",
    "connect",
]
