"""Statements for a page of matches, for their number, and for the choice of where to start.

Paging is by keyset. Rows are ordered by the sort keys, missing values last, then by what never
changes: the row number, newest first. A row that existed when paging began keeps its place
while others are written, so none is skipped or repeated; a row whose own sort value is changed
meanwhile is where the new value puts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    distinct,
    func,
    or_,
    select,
    tuple_,
)

from app.search import merging, starts
from app.search.compiler import Compiler, source_of
from app.search.expression import Param, Value
from app.search.keeping import kept
from app.search.parameters import is_single
from app.search.shape import Shape
from app.search.sources import Rows, Spread
from app.search.sources.resource import passes
from app.search.values import Then, ThenEach, bound, equals, number

LOOK = 1000

# How rows join the first sort key: all of them, those that have it, those that lack it.
Part = Literal["all", "present", "absent"]


@dataclass(frozen=True, slots=True)
class After:
    """The row that the page comes after: its sort values (None: missing) and its key."""

    order: tuple[Value, ...]
    key: tuple[Value, ...]


@dataclass(slots=True)
class _Key:
    column: ColumnElement[Any]
    descending: bool
    nullable: bool

    def order(self) -> list[ColumnElement[Any]]:
        """Missing values last, whichever way the others go."""
        by = self.column.desc() if self.descending else self.column.asc()
        return [self.column.is_(None), by] if self.nullable else [by]

    def equal(self, value: Value) -> ColumnElement[bool]:
        return equals(self.column, value)

    def after(self, value: Value) -> ColumnElement[bool] | None:
        """None where nothing comes after: a missing value."""
        if value is None:
            return None
        operand = bound(value, self.column)
        passed = self.column < operand if self.descending else self.column > operand
        return or_(passed, self.column.is_(None)) if self.nullable else passed

    def reached(self, value: Value) -> ColumnElement[bool]:
        operand = bound(value, self.column)
        return self.column <= operand if self.descending else self.column >= operand


@kept
def page(
    shape: Shape, *, part: Part, after: After | None, limit: int, edge: Value = None
) -> Select[Any]:
    """A page of at most ``limit`` rows: what ``Source.columns`` names, sort values, key.

    With an ``edge`` none that comes after that instant (``merging.edge``). The limit is written
    into the text: a planner that does not know it plans for them all.
    """
    compiler = Compiler(shape.sight)
    source = source_of(shape.kinds[0])
    on_key = _on_first_key(shape) if part == "present" else ()
    others = [node for node in shape.criteria if node not in on_key]
    ways: Sequence[ColumnElement[bool] | Spread] = ()
    begin = None
    if source.merges and shape.start is not None:
        rows, joined, conditions, ways = merging.begun(compiler, shape)
    else:
        rows, joined, conditions, begin = starts.started(compiler, shape.kinds, others, shape.start)
    keys: list[_Key] = []
    for position, sort in enumerate(shape.sort):
        column, beside = source.order(rows, sort.code, descending=sort.descending)
        is_leading = position == 0 and part == "present"
        if beside is not None and is_leading:
            join = ThenEach if joined is rows.table else Then
            joined = join(beside.table, joined, beside.on)
            conditions += [beside.among, *(passes(beside.table, node) for node in on_key)]
        elif beside is not None:
            on = and_(beside.on, beside.among)
            joined = ThenEach(joined, beside.table, on, isouter=True)
        if position == 0 and part == "absent":
            conditions.append(column.is_(None))
        nullable = beside is not None and not is_leading
        keys.append(_Key(column, sort.descending, nullable=nullable))
    if edge is not None:
        conditions = [*conditions, merging.until(shape, source.updated(rows), edge)]
    statement: Select[Any] = select().select_from(joined).where(*conditions)
    key = row_key(rows, begin)
    if after is not None:
        statement = statement.where(_comes_after(keys, key, after))
        if keys and part == "present":
            statement = statement.where(keys[0].reached(after.order[0]))
    ordered = [each.column.label(f"o{i}") for i, each in enumerate(keys)]
    keyed = [each.label(f"k{i}") for i, each in enumerate(key)]
    if ways:
        narrow = statement.add_columns(*ordered, *keyed)
        merged = merging.newest(narrow, ways, _by(keys, key), limit)
        return _whole(compiler, rows, merged, keys, whose=shape.whose).limit(number(limit))
    statement = statement.order_by(*_by(keys, key)).limit(number(limit))
    if not keys and not (begin and begin.repeats):
        return statement.add_columns(*source.columns(rows, whose=shape.whose), *keyed)
    # First which rows, over narrow tables; then those rows whole.
    chosen = statement.add_columns(*ordered, *keyed)
    if begin and begin.repeats:
        chosen = chosen.add_columns(*(k.column.is_(None) for k in keys if k.nullable)).distinct()
    return _whole(compiler, rows, chosen.subquery("page"), keys, whose=shape.whose)


def _on_first_key(shape: Shape) -> tuple[Param, ...]:
    """The criteria on the date that is sorted by: they bound the index that is gone through."""
    code, kind = shape.sort[0].code, shape.kinds[0]
    return tuple(
        node
        for node in shape.criteria
        if isinstance(node, Param)
        and (node.code, node.type, node.index) == (code, "date", "")
        and is_single(kind, code)
    )


def row_key(rows: Rows, begin: starts.Start | None) -> list[ColumnElement[Any]]:
    """What never changes of a row, from wherever it is at hand."""
    # The index that a statement starts from has the row number too, in order.
    if begin and begin.table is not None and "rid" in begin.table.c:
        return [begin.table.c.rid]
    return list(source_of(rows.kinds[0]).key(rows))


def _by(keys: Sequence[_Key], key: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    return [*(column for each in keys for column in each.order()), *(k.desc() for k in key)]


def _whole(
    compiler: Compiler, rows: Rows, chosen: Any, keys: Sequence[_Key], *, whose: bool
) -> Select[Any]:
    source = source_of(rows.kinds[0])
    whole = source.rows(rows.kinds)
    same = [column == chosen.c[f"k{position}"] for position, column in enumerate(source.key(whole))]
    tenant = equals(source.tenant(whole), compiler.sight.tenant_of(rows.kinds[0]))
    ordered = [
        _Key(chosen.c[f"o{position}"], key.descending, key.nullable)
        for position, key in enumerate(keys)
    ]
    keyed = [chosen.c[f"k{position}"] for position in range(len(same))]
    return (
        select(*source.columns(whole, whose=whose), *(key.column for key in ordered), *keyed)
        .select_from(ThenEach(chosen, whole.table, and_(tenant, *same)))
        .order_by(*_by(ordered, keyed))
    )


def _comes_after(
    keys: Sequence[_Key], key: Sequence[ColumnElement[Any]], after: After
) -> ColumnElement[bool]:
    ways: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for each, value in zip(keys, after.order, strict=True):
        passed = each.after(value)
        if passed is not None:
            ways.append(and_(*equal, passed))
        equal.append(each.equal(value))
    last = [bound(value, column) for column, value in zip(key, after.key, strict=True)]
    older = key[0] < last[0] if len(key) == 1 else tuple_(*key) < tuple_(*last)
    return or_(*ways, and_(*equal, older)) if ways or equal else older


@kept
def total(shape: Shape) -> Select[Any]:
    """How many rows match, over all pages."""
    compiler = Compiler(shape.sight)
    found = starts.started(compiler, shape.kinds, shape.criteria, shape.start)
    repeats = found.begin is not None and found.begin.repeats
    key = row_key(found.rows, found.begin)
    counted = func.count(distinct(key[0])) if repeats else func.count()
    return found.select().add_columns(counted)


@kept
def look(shape: Shape, candidates: tuple[int, ...]) -> Select[Any]:
    """For each criterion that could be started from its number of index rows, up to a limit.

    Decides how a question is answered, never what the answer is.
    """
    columns = []
    for position in candidates:
        compiler = Compiler(shape.sight)
        rows, _ = compiler.rows(shape.kinds)
        begin = starts.begun(compiler, rows, shape.criteria, position, limit=LOOK + 1)
        entries = select(number(1).label("entry")).where(*begin.conditions)
        if begin.table is not None:
            entries = entries.select_from(begin.table)
        counted = entries.limit(number(LOOK + 1)).subquery()
        columns.append(select(func.count()).select_from(counted).scalar_subquery())
    return select(*columns)
