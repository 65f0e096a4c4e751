"""Pages and totals of a store whose rows no index table describes, newest first.

An index answers each way to meet a criterion in the order of pages, and none answers several
at once. So each way is asked for a page of its own, and what they found is merged. Where no
criterion has such ways, the values that rows are spread over may: each value that was asked
for is then asked for a page. What neither helps is gone through, the newest first, until the
page is full; but no further back than so many rows at once, where the next page goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    func,
    select,
    true,
    union,
    union_all,
)

from app.db.engine import Row
from app.search import starts
from app.search.compiler import Compiler, source_of
from app.search.expression import Expression, Ids, Param, Updated, Value
from app.search.keeping import kept
from app.search.shape import Shape
from app.search.sources import Rows, Spread
from app.search.values import bound, equals, number

SPREAD = -2  # in place of a criterion's position: start from the values that rows are spread over
COUNTED = 2000  # matches that are counted one by one
# Rows that are sampled: for the rest of so many matches, and for what no index answers.
SAMPLED, GONE_THROUGH = 4000, 10_000
# Rows that one page goes back through: a few where they fill it, else so many as are soon read.
GOES_BACK = (GONE_THROUGH, 200_000)
_IN_ORDER = ("date", "_lastUpdated")


Way: TypeAlias = ColumnElement[bool] | Spread


class Merging(NamedTuple):
    """Rows and the conditions that each way shares, and the ways."""

    rows: Rows
    joined: FromClause
    conditions: list[ColumnElement[bool]]
    ways: Sequence[Way]


def begun(compiler: Compiler, shape: Shape) -> Merging:
    """What a statement has without the criterion that it starts from, and the ways to meet it."""
    assert shape.start is not None
    source = source_of(shape.kinds[0])
    met = source.spread_by(shape.criteria) if shape.start == SPREAD else (shape.start,)
    others = [node for place, node in enumerate(shape.criteria) if place not in met]
    rows, joined, conditions, _ = starts.started(compiler, shape.kinds, others, None)
    if shape.start != SPREAD:
        return Merging(rows, joined, conditions, source.ways(rows, shape.criteria[shape.start]))
    nodes = [shape.criteria[place] for place in met]
    tenant = compiler.sight.tenant_of(shape.kinds[0])
    return Merging(rows, joined, conditions, source.spread(rows, nodes, tenant, compiler.where))


def newest(
    narrow: Select[Any],
    ways: Sequence[Way],
    order: Sequence[ColumnElement[Any]],
    limit: int | None,
) -> Subquery:
    """The first rows of each way, each row once; ``narrow`` finds their keys in no order."""
    parts = [_first_of(narrow, way, order, limit) for way in ways]
    if len(parts) == 1:
        return parts[0].subquery("page")
    # What is spread over values is found once by itself, so nothing has to be gathered first.
    together = union_all if any(isinstance(way, Spread) for way in ways) else union
    return together(*(select(*part.subquery().c) for part in parts)).subquery("page")


def _first_of(
    narrow: Select[Any], way: Way, order: Sequence[ColumnElement[Any]], limit: int | None
) -> Select[Any]:
    found = narrow.where(way.on if isinstance(way, Spread) else way)
    found = found.order_by(*order)
    if limit is not None:
        found = found.limit(number(limit))
    if not isinstance(way, Spread):
        return found
    each = found.lateral()
    return select(*each.c).select_from(way.values.join(each, true())).where(way.when)


@kept
def total(shape: Shape, *, most: int | None) -> Select[Any]:
    """How many rows match; past ``most`` no more are counted."""
    compiler = Compiler(shape.sight)
    ways: Sequence[Way] = [true()]
    if shape.start is None or (most is None and shape.start == SPREAD):
        rows, joined, conditions, _ = starts.started(compiler, shape.kinds, shape.criteria, None)
    else:
        rows, joined, conditions, ways = begun(compiler, shape)
    key = source_of(shape.kinds[0]).key(rows)
    narrow = select(*key).select_from(joined).where(*conditions)
    # In no order: what comes first is counted first, until it is enough.
    matched = newest(narrow, ways, (), most)
    if most is not None:
        matched = select(*matched.c).limit(number(most)).subquery()
    return select(func.count()).select_from(matched)


@kept
def sample(shape: Shape, *, size: int) -> Select[Any]:
    """Of the newest rows in the time that was asked about how many match.

    Matches, rows, the instants of the oldest and newest of them, and that of the first of all.
    """
    compiler = Compiler(shape.sight)
    source = source_of(shape.kinds[0])
    rows = source.rows(shape.kinds)
    others = [compiler.where(node, rows) for node in shape.criteria if not _is_of_time(node)]
    at = source.updated(rows)
    within = _in_time(compiler, shape, rows)
    seen = (
        select(at.label("at"), and_(true(), *others).label("matches"))
        .where(within)
        .order_by(*(column.desc() for column in source.key(rows)))
        .limit(number(size))
        .subquery()
    )
    first = select(at).where(within).order_by(at).limit(number(1)).scalar_subquery()
    matched = func.count().filter(seen.c.matches)
    return select(matched, func.count(), func.min(seen.c.at), func.max(seen.c.at), first)


def _in_time(compiler: Compiler, shape: Shape, rows: Rows) -> ColumnElement[bool]:
    """Whether a row may be seen and is of the time that was asked about."""
    tenant = equals(
        source_of(shape.kinds[0]).tenant(rows), compiler.sight.tenant_of(shape.kinds[0])
    )
    return and_(
        tenant,
        compiler.seen(rows, shape.kinds[0]),
        *(compiler.where(node, rows) for node in shape.criteria if _is_of_time(node)),
    )


def goes_through(shape: Shape) -> bool:
    """Whether rows must be looked at one by one, since no index leads to those that match."""
    return shape.start is None and not all(
        isinstance(node, Ids) or _is_of_time(node) for node in shape.criteria
    )


def is_in_time(shape: Shape) -> bool:
    """Whether pages are in the order of time, either way."""
    return not shape.sort or shape.sort[0].code in (*_IN_ORDER, "_id")


def goes_forward(shape: Shape) -> bool:
    """Whether the oldest come first."""
    return bool(shape.sort) and is_in_time(shape) and not shape.sort[0].descending


def past(shape: Shape, at: ColumnElement[int], edge: Value) -> ColumnElement[bool]:
    """Whether an instant is the edge, or comes after it in the order of pages."""
    return at >= bound(edge, at) if goes_forward(shape) else at <= bound(edge, at)


def until(shape: Shape, at: ColumnElement[int], edge: Value) -> ColumnElement[bool]:
    """Whether an instant is the edge, or comes before it in the order of pages."""
    return at <= bound(edge, at) if goes_forward(shape) else at >= bound(edge, at)


@kept
def edge(shape: Shape, *, begin: Value, most: int) -> Select[Any]:
    """The instant so many rows after the one where a page begins; no row where they are fewer."""
    compiler = Compiler(shape.sight)
    source = source_of(shape.kinds[0])
    rows = source.rows(shape.kinds)
    at = source.updated(rows)
    reached = true() if begin is None else past(shape, at, begin)
    order = at.asc() if goes_forward(shape) else at.desc()
    found = select(at).where(_in_time(compiler, shape, rows), reached).order_by(order)
    return found.offset(number(most)).limit(number(1))


class Counted(NamedTuple):
    """How many match, and whether that is their number or about it."""

    total: int
    is_exact: bool


def about(row: Row, *, size: int) -> Counted:
    """What a sample of a size lets expect: as many in the same time, back to the first row.

    A log that is no longer than the sample is counted by it.
    """
    matched, rows, *times = map(int, (each or 0 for each in row))
    if rows < size:
        return Counted(matched, is_exact=True)
    oldest, newest, first = times
    return Counted(matched * (newest - first) // max(newest - oldest, 1), is_exact=False)


def _is_of_time(node: Expression) -> bool:
    return isinstance(node, Updated) or (isinstance(node, Param) and node.code in _IN_ORDER)
