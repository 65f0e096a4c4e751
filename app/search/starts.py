"""Where a statement over the ordinary store starts.

A planner cannot know what a parameter is worth, and SQLite does not look; so one criterion is
joined as the table to start from, and the others probe the rows that it leads to. An index
ends in the row number, so a start from one value gives its rows in the order of pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import ColumnElement, CompoundSelect, FromClause, Select, and_, select, union

from app.db.tables.indexes import idx_reference
from app.db.tables.resources import compartment, resource_author
from app.search.expression import (
    Chain,
    Compartment,
    Composite,
    Expression,
    Has,
    Or,
    Param,
    Value,
)
from app.search.parameters import index_number
from app.search.ranks import best, criteria, rank
from app.search.sight import Alternative, Reach, Sight, by_reach
from app.search.sources import Rows
from app.search.sources.resource import components, index_table, passes
from app.search.values import Choice, Then, ThenEach, equals, number, one_of

if TYPE_CHECKING:
    from app.search.compiler import Compiler

# In place of a criterion's position: start from what the caller can reach at all.
REACH = -1


@dataclass(frozen=True, slots=True)
class Start:
    """A table to start from: what its rows must meet, and how they lead to resources.

    ``repeats`` tells whether several may lead to the same one, ``by_key`` that each leads to a
    row by its key. Without a table the criterion is one on the resource rows.
    """

    table: FromClause | None
    joined: ColumnElement[bool] | None
    conditions: tuple[ColumnElement[bool], ...]
    repeats: bool = True
    by_key: bool = False


def start(compiler: Compiler, rows: Rows, node: Expression, *, limit: int | None = None) -> Start:
    """The start from a criterion.

    With a ``limit`` no more rows than that are gathered at the far end of a reference, which
    is enough to see whether they are few.
    """
    tenant = compiler.sight.tenant_of(rows.kinds[0])
    match node:
        case Param():
            index = index_table(node).alias()
            return _indexed(index, rows, tenant, passes(index, node))
        case Compartment(owner_kind, owner_id):
            inside = compartment.alias()
            return _indexed(
                inside,
                rows,
                tenant,
                inside.c.owner_kind == number(owner_kind),
                one_of(inside.c.owner_id, owner_id),
                inside.c.kind.in_(map(number, rows.kinds)),
            )
        case Chain(kind, code, ((target, where),)):
            reference = idx_reference.alias()
            if compiler.sight.trusted and limit is None:
                far = compiler.owners((target, where))
            else:
                far = told(ids(compiler, target, where, limit=limit))
            return _indexed(
                reference,
                rows,
                tenant,
                reference.c.param == number(index_number(kind, code)),
                reference.c.target_kind == number(target),
                one_of(reference.c.target_id, far),
            )
        case Composite():
            values = _values(node, tenant).subquery()
            return Start(values, values.c.rid == rows.c.rid, ())
        case Has():
            found = _referred(compiler, rows.kinds[0], node, limit)
            referred = (found if limit else found.distinct()).cte()
            return Start(referred, referred.c.target_id == rows.c.id, (), repeats=False)
        case Or():
            met = ids(compiler, rows.kinds[0], node, limit=limit).cte()
            return Start(met, met.c.id == rows.c.id, (), repeats=False)
    return Start(None, None, (compiler.where(node, rows),), repeats=False)


def _indexed(
    index: FromClause, rows: Rows, tenant: Value, *conditions: ColumnElement[bool]
) -> Start:
    joined = and_(index.c.tenant == rows.c.tenant, index.c.rid == rows.c.rid)
    return Start(index, joined, (equals(index.c.tenant, tenant), *conditions), by_key=True)


def _values(node: Composite, tenant: Value) -> Select[Any]:
    """The row numbers of the values that pass."""
    indexes, conditions = components(node)
    first, *others = indexes
    same = [and_(i.c.tenant == first.c.tenant, i.c.rid == first.c.rid) for i in others]
    return (
        select(first.c.rid)
        .select_from(*indexes)
        .where(equals(first.c.tenant, tenant), *same, *conditions)
    )


class Started(NamedTuple):
    """The readable rows that meet all criteria: what to select from, and under what conditions."""

    rows: Rows
    source: FromClause
    conditions: list[ColumnElement[bool]]
    begin: Start | None

    def select(self) -> Select[Any]:
        """The statement, without columns."""
        return select().select_from(self.source).where(*self.conditions)


def started(
    compiler: Compiler, kinds: tuple[int, ...], items: Sequence[Expression], which: int | None
) -> Started:
    """The rows of types that meet all criteria, started from one of them if told so."""
    rows, readable = compiler.rows(kinds)
    begin = None if which is None else begun(compiler, rows, items, which)
    source: FromClause = rows.table
    if begin is not None and begin.table is not None:
        join = ThenEach if begin.by_key else Then
        source = join(begin.table, rows.table, begin.joined)
    probes = [compiler.where(node, rows) for i, node in enumerate(items) if i != which]
    return Started(rows, source, [*(begin.conditions if begin else ()), *probes, readable], begin)


def matching(compiler: Compiler, kind: int, where: Expression) -> tuple[Rows, Select[Any]]:
    """The readable rows of a type that match, from the narrowest criterion by its looks."""
    items = criteria(where)
    ranks = [(r, which) for which, item in enumerate(items) if (r := rank(item, kind)) is not None]
    found = started(compiler, (kind,), items, min(ranks)[1] if ranks else None)
    return found.rows, found.select()


def begun(
    compiler: Compiler,
    rows: Rows,
    items: Sequence[Expression],
    which: int,
    *,
    limit: int | None = None,
) -> Start:
    """The start from a criterion, or from the caller's reach."""
    if which != REACH:
        return start(compiler, rows, items[which], limit=limit)
    kind = rows.kinds[0]
    parts = [
        _limited(_reached(compiler, kind, reach, ways), limit)
        for reach, ways in by_reach(compiler.sight.ways(kind)).items()
    ]
    reached = (parts[0].distinct() if len(parts) == 1 else union(*parts)).subquery()
    return Start(reached, reached.c.rid == rows.c.rid, (), repeats=False)


def has_reach(sight: Sight, kind: int) -> bool:
    """Whether every way to see a type leads from somebody's rows."""
    return bool(sight.ways(kind)) and all(
        any(reach) or all(_constrained(way, kind) for way in ways)
        for reach, ways in by_reach(sight.ways(kind)).items()
    )


def _constrained(way: Alternative, kind: int) -> bool:
    return way.constraint is not None and best(criteria(way.constraint), kind) is not None


def _reached(
    compiler: Compiler, kind: int, reach: Reach, ways: Sequence[Alternative]
) -> Select[Any]:
    """The row numbers that a way leads to, before its other conditions."""
    inside, author, within = reach
    tenant = compiler.sight.tenant
    owner: tuple[int, Choice] | None = inside
    if within is not None:
        owner = within[0], compiler.owners(within)
    if owner is not None:
        index = compartment.alias()
        return select(index.c.rid).where(
            equals(index.c.tenant, tenant),
            index.c.owner_kind == number(owner[0]),
            one_of(index.c.owner_id, owner[1]),
            index.c.kind == number(kind),
        )
    if author is not None:
        index = resource_author.alias()
        return select(index.c.rid).where(
            equals(index.c.tenant, tenant),
            index.c.author_kind == number(author[0]),
            one_of(index.c.author_id, author[1]),
        )
    constraints = [way.constraint for way in ways if way.constraint is not None]
    rows, statement = matching(compiler.trusted, kind, Or(tuple(dict.fromkeys(constraints))))
    return statement.add_columns(rows.c.rid)


def ids(
    compiler: Compiler, kind: int, where: Expression, *, limit: int | None = None
) -> Select[Any] | CompoundSelect[Any]:
    """The ids of the readable rows of a type that match, in a column ``id``."""
    if isinstance(where, Or) and where.items:
        each = [ids(compiler, kind, item, limit=limit) for item in where.items]
        return each[0] if len(each) == 1 else union(*each)
    rows, statement = matching(compiler, kind, where)
    return _limited(statement.add_columns(rows.c.id), limit)


def told(found: Select[Any] | CompoundSelect[Any]) -> Select[Any]:
    """The same ids, told at the head of the statement.

    SQLite's parser keeps a stack of a hundred places, which conditions within conditions fill.
    """
    return select(found.cte().c[0])


def _referred(compiler: Compiler, kind: int, node: Has, limit: int | None) -> Select[Any]:
    found, statement = matching(compiler, node.source, node.where)
    reference = idx_reference.alias()
    referred = (
        statement.add_columns(reference.c.target_id)
        .select_from(reference)
        .where(
            reference.c.tenant == found.c.tenant,
            reference.c.rid == found.c.rid,
            reference.c.param == number(index_number(node.source, node.code)),
            reference.c.target_kind == number(kind),
        )
    )
    return _limited(referred, limit)


def _limited(statement: Select[Any], limit: int | None) -> Select[Any]:
    if limit is None:
        return statement
    few = statement.limit(number(limit)).subquery()
    return select(few.c[0])
