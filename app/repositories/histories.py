"""The history of what a caller may see today, newest first.

https://hl7.org/fhir/R4/http.html#history. Superseded versions are seen through the current
row of their resource: who may not see the resource now finds none of its past, and nobody finds
what it was when it was about somebody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    tuple_,
    union_all,
)

from app.db.engine import Connection, Params, Statement
from app.db.tables.keys import readable
from app.db.tables.resources import resource, resource_history
from app.repositories import asking
from app.repositories.codec import EnvelopeCodec
from app.repositories.data_keys import DataKeys
from app.repositories.index_keys import IndexKeys
from app.repositories.versions import StoredVersion, as_seen, open_row, with_past
from app.search.compiler import Compiler
from app.search.expression import Shaper, Value
from app.search.sight import Sight
from app.search.sources import Rows
from app.search.values import bound, equals, number
from app.search.visibility import Visible

_NAMES = tuple(column.name for column in resource.columns)


_FORMER = Statement(
    select(resource_history.c.key_owner)
    .where(
        resource_history.c.tenant == bindparam("this_tenant", type_=Integer()),
        resource_history.c.rid == bindparam("this_rid", type_=BigInteger()),
    )
    .distinct()
)


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """What part of the history: of one resource, of a type, or of several.

    ``since`` is inclusive, in microseconds; ``at`` is a half-open interval in which a version
    was current; ``before`` continues after the row ``(updated, rid, version)``.
    """

    kinds: tuple[int, ...]
    id: str | None = None
    since: int | None = None
    at: tuple[int, int] | None = None
    before: tuple[int, int, int] | None = None
    limit: int = 20


class Histories:
    """Reads versions, current and superseded."""

    def __init__(
        self, connection: Connection, codec: EnvelopeCodec, keys: DataKeys, index_keys: IndexKeys
    ) -> None:
        self._connection = connection
        self._codec = codec
        self._keys = keys
        self._index_keys = index_keys

    async def page(self, query: HistoryQuery, *, visible: Visible) -> Sequence[StoredVersion]:
        """At most ``query.limit`` versions, newest first."""
        shape, params = await self._shaped(query, visible)
        rows = await self._connection.fetch(_page(shape), {**params, "limit": query.limit})
        return await self._keys.opening(
            lambda: [as_seen(open_row(row, self._codec), visible) for row in rows]
        )

    async def total(self, query: HistoryQuery, *, visible: Visible) -> int:
        """How many versions there are on all pages together."""
        shape, params = await self._shaped(replace(query, before=None), visible)
        rows = await self._connection.fetch(_total(shape), params)
        return int(rows[0][0])

    async def former_patients(self, stored: StoredVersion, *, visible: Visible) -> frozenset[str]:
        """The ids of patients whom a resource was about before it was moved to another."""
        if stored.version == 1:
            return frozenset()
        key = {"this_tenant": visible.tenant, "this_rid": stored.rid}
        owners = [row[0] for row in await self._connection.fetch(_FORMER, key)]
        return frozenset(
            each.partition("/")[2]
            for each in owners
            if each.startswith("Patient/") and each != stored.key_owner
        )

    async def _shaped(self, query: HistoryQuery, visible: Visible) -> tuple[_Shape, Params]:
        shaper = Shaper()
        kinds = tuple(kind for kind in query.kinds if kind in visible.grants)
        shape = _Shape(
            kinds=kinds,
            sight=visible.sight(kinds, shaper),
            id=shaper.slot(query.id),
            since=shaper.slot(query.since),
            at=query.at and tuple(shaper.slot(end) for end in query.at),
            before=query.before and tuple(shaper.slot(part) for part in query.before),
        )
        values, keys = shaper.values, self._index_keys
        return shape, await asking.bound(self._connection, values, visible.tenant, keys)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A query without its values."""

    kinds: tuple[int, ...]
    sight: Sight
    id: Value
    since: Value
    at: tuple[Value, ...] | None
    before: tuple[Value, ...] | None


@lru_cache(maxsize=256)
def _page(shape: _Shape) -> Statement:
    every = _versions(shape).subquery()
    key = (every.c.updated, every.c.rid, every.c.version)
    statement = select(*every.columns).order_by(*(column.desc() for column in key))
    if shape.before is not None:
        last = [bound(value, column) for value, column in zip(shape.before, key, strict=True)]
        statement = statement.where(tuple_(*key) < tuple_(*last))
    return Statement(statement.limit(bindparam("limit", type_=BigInteger())))


@lru_cache(maxsize=256)
def _total(shape: _Shape) -> Statement:
    return Statement(select(func.count()).select_from(_versions(shape).subquery()))


def _versions(shape: _Shape) -> Any:
    # Types under the same grant share one part.
    groups: dict[Any, list[int]] = {}
    for kind in shape.kinds:
        sight = shape.sight
        same = (sight.tenant_of(kind), sight.ways(kind), sight.barred(kind))
        groups.setdefault(same, []).append(kind)
    compiler = Compiler(shape.sight)  # one for all parts: who is looked after is asked once
    parts = [
        _part(table, shape, kinds, compiler)
        for kinds in groups.values()
        for table in (resource, resource_history)
    ]
    if not parts:
        return select(*(resource.c[name] for name in _NAMES)).where(resource.c.tenant.is_(None))
    return union_all(*parts)


def _part(table: FromClause, shape: _Shape, kinds: list[int], compiler: Compiler) -> Select[Any]:
    current = resource if table is resource else resource.alias("current_version")
    statement = select(*(readable(table, name) for name in _NAMES)).where(
        equals(table.c.tenant, shape.sight.tenant_of(kinds[0])),
        table.c.kind.in_(map(number, kinds)),
        compiler.seen(Rows(current, (kinds[0],)), kinds[0]),
    )
    if current is not table:
        statement = statement.select_from(with_past(current))
    if shape.id is not None:
        statement = statement.where(equals(table.c.id, shape.id))
    if shape.since is not None:
        statement = statement.where(table.c.updated >= bound(shape.since, table.c.updated))
    if shape.at is not None:
        low, high = (bound(end, table.c.updated) for end in shape.at)
        statement = statement.where(table.c.updated < high)
        if table is resource_history:
            statement = statement.where(~_replaced_by(low, current))
    return statement


def _replaced_by(moment: ColumnElement[int], current: FromClause) -> Any:
    """Whether the next version had come by then."""
    following = resource_history.alias("following")
    return or_(
        and_(current.c.version == resource_history.c.version + 1, current.c.updated <= moment),
        exists(
            select(following.c.version).where(
                following.c.tenant == resource_history.c.tenant,
                following.c.rid == resource_history.c.rid,
                following.c.version == resource_history.c.version + 1,
                following.c.updated <= moment,
            )
        ),
    )
