"""Values in SQL: a slot becomes a bound parameter, a list of any length one parameter.

A list is bound as one array (PostgreSQL) or one JSON text (SQLite), so that the statement's
text does not depend on how many values there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnElement,
    FromClause,
    Join,
    ScalarSelect,
    SelectBase,
    Text,
    and_,
    bindparam,
    false,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from app.db.engine import DialectName
from app.search.expression import Keyed, Slot, Value

Columns: TypeAlias = Any  # the columns of an aliased table, by name
Choice: TypeAlias = Value | ColumnElement[Any] | SelectBase


def bound(value: Value, like: ColumnElement[Any]) -> ColumnElement[Any]:
    """A value as an operand beside ``like``."""
    if isinstance(value, Slot):
        return bindparam(name(value), type_=like.type)
    return literal(value, type_=like.type)


def name(slot: Slot) -> str:
    """What a slot's parameter is called."""
    return f"v{slot.number}"


def number(value: int) -> ColumnElement[int]:
    """A number of the program's own, written into the text so that planners see it."""
    return literal_column(str(value), type_=BigInteger())


def equals(column: ColumnElement[Any], value: Value) -> ColumnElement[bool]:
    """``column = value``, or ``IS NULL``."""
    return column.is_(None) if value is None else column == bound(value, column)


def one_of(column: ColumnElement[Any], value: Choice) -> ColumnElement[bool]:
    """``column`` is the value, or one of the values of a list or of a query of one column."""
    if isinstance(value, SelectBase):
        return AnyFrom(column, value.scalar_subquery())
    if isinstance(value, ColumnElement):
        return column == value
    if isinstance(value, Slot) and value.is_list:
        return AnyOf(column, bindparam(name(value), type_=ARRAY(column.type)))
    if isinstance(value, tuple):
        return column.in_(value) if value else false()
    return equals(column, value)


def some(*tables: FromClause, where: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Whether there is a row of these tables that meets the conditions.

    A probe of the row at hand: PostgreSQL would turn it into a join and guess how many rows
    that has, and guesses wrong where many conditions come together. An offset forbids it.
    """
    found = select(number(1)).select_from(*tables).where(*where).correlate_except(*tables)
    return found.with_statement_hint("OFFSET 0", "postgresql").exists()


def between(column: ColumnElement[Any], low: Value, high: Value) -> ColumnElement[bool]:
    """``low <= column < high``."""
    return and_(column >= bound(low, column), column < bound(high, column))


ESCAPE = "!"


def matches(column: ColumnElement[Any], pattern: Value) -> ColumnElement[bool]:
    """``column LIKE pattern``, where ``!`` escapes."""
    return column.like(bound(pattern, column), escape=ESCAPE)


def joined(column: ColumnElement[str], separator: str) -> ColumnElement[str]:
    """The values of a group as one text, NULL where there are none."""
    # Written into the text: a bound separator would make it another text with each execution.
    between = literal_column(f"'{separator}'", type_=Text())
    return func.aggregate_strings(column, between)  # type: ignore[arg-type]


class AnyOf(ColumnElement[bool]):
    """``column`` is in a list that one parameter carries."""

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], values: BindParameter[Any]) -> None:
        self.column = column
        self.values = values


@compiles(AnyOf, "postgresql")
def _any_of_array(element: AnyOf, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.column, **options)
    return f"{column} = ANY ({compiler.process(element.values, **options)})"


@compiles(AnyOf, "sqlite")
def _in_json(element: AnyOf, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.column, **options)
    values = compiler.process(element.values, **options)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - both are compiled


class AnyFrom(ColumnElement[bool]):
    """``column`` is among the values of a query, which is run once for the statement."""

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], query: ScalarSelect[Any]) -> None:
        self.column = column
        self.query = query


@compiles(AnyFrom, "postgresql")
def _any_of_query(element: AnyFrom, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.column, **options)
    return f"{column} = ANY (ARRAY{compiler.process(element.query, **options)})"


@compiles(AnyFrom, "sqlite")
def _in_query(element: AnyFrom, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.column, **options)
    return f"{column} IN {compiler.process(element.query, **options)}"


class Then(Join):
    """A join that is carried out from left to right."""

    inherit_cache = True


@compiles(Then)
def _planned(element: Then, compiler: SQLCompiler, **options: Any) -> str:
    return str(compiler.visit_join(element, **options))  # type: ignore[no-untyped-call]


@compiles(Then, "sqlite")
def _in_order(element: Then, compiler: SQLCompiler, **options: Any) -> str:
    if element.isouter:
        return _planned(element, compiler, **options)
    left, right, condition = _parts(element, compiler, options)
    return f"{left} CROSS JOIN {right} ON {condition}"


def _parts(element: Then, compiler: SQLCompiler, options: dict[str, Any]) -> tuple[str, str, str]:
    options |= {"asfrom": True}
    left = compiler.process(element.left, **options)
    right = compiler.process(element.right, **options)
    on = compiler.process(cast("ColumnElement[bool]", element.onclause), **options)
    return left, right, on


class ThenEach(Then):
    """A join to the row of an aliased table that a key finds, looked up for each.

    PostgreSQL takes both ways for equally dear while it has no statistics, and then goes through
    the table for each row: a database that has just been filled would be slow. An offset forbids
    it.
    """

    inherit_cache = True


@compiles(ThenEach, "postgresql")
def _looked_up(element: ThenEach, compiler: SQLCompiler, **options: Any) -> str:
    left, right, condition = _parts(element, compiler, options)
    name = right.rpartition(" AS ")[2]
    found = f"SELECT * FROM {right} WHERE {condition} OFFSET 0"  # noqa: S608 - all are compiled
    each = f"LATERAL ({found}) AS {name}"
    return f"{left} LEFT JOIN {each} ON true" if element.isouter else f"{left} CROSS JOIN {each}"


# Gives what stands in the index for a keyed value.
Hash = Callable[[Keyed], Value]


def bind(values: list[Value], dialect: DialectName, hash: Hash) -> dict[str, Any]:
    """The parameters of a statement that was compiled from a shape with these values."""
    plain = [hash(value) if isinstance(value, Keyed) else value for value in values]
    return {
        f"v{number}": _listed(value, dialect) if isinstance(value, tuple) else value
        for number, value in enumerate(plain)
    }


def in_clear(keyed: Keyed) -> Value:
    """The value itself, where rows are in clear."""
    return keyed.value


def _listed(values: tuple[Any, ...], dialect: DialectName) -> Any:
    return list(values) if dialect == "postgresql" else orjson.dumps(values).decode()


class within(ColumnElement[bool]):  # noqa: N801 - reads as a function
    """Whether a text occurs in another."""

    inherit_cache = True

    def __init__(self, part: ColumnElement[str], whole: ColumnElement[str]) -> None:
        self.part = part
        self.whole = whole


@compiles(within, "postgresql")
def _strpos(element: within, compiler: SQLCompiler, **options: Any) -> str:
    part = compiler.process(element.part, **options)
    return f"strpos({compiler.process(element.whole, **options)}, {part}) > 0"


@compiles(within, "sqlite")
def _instr(element: within, compiler: SQLCompiler, **options: Any) -> str:
    part = compiler.process(element.part, **options)
    return f"instr({compiler.process(element.whole, **options)}, {part}) > 0"
