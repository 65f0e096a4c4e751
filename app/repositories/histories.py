"""The history of what a caller may see today, newest first.

https://hl7.org/fhir/R4/http.html#history. Superseded versions are seen through the current
row of their resource: who may not see the resource now finds none of its past.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import FromClause, Select, and_, exists, func, or_, select, tuple_, union_all

from app.db.engine import Connection
from app.db.tables.keys import readable
from app.db.tables.resources import resource, resource_history
from app.repositories.codec import EnvelopeCodec
from app.repositories.resources import StoredVersion, as_seen, open_row
from app.search.visibility import Visible, visible_clause

_NAMES = tuple(column.name for column in resource.columns)


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

    def __init__(self, connection: Connection, codec: EnvelopeCodec) -> None:
        self._connection = connection
        self._codec = codec

    async def page(self, query: HistoryQuery, *, visible: Visible) -> Sequence[StoredVersion]:
        """At most ``query.limit`` versions, newest first."""
        every = _versions(query, visible).subquery()
        key = (every.c.updated, every.c.rid, every.c.version)
        statement = select(*every.columns).order_by(*(column.desc() for column in key))
        if query.before is not None:
            statement = statement.where(tuple_(*key) < tuple_(*query.before))
        rows = await self._connection.fetch(statement.limit(query.limit))
        found = [open_row(dict(zip(_NAMES, row, strict=True)), self._codec) for row in rows]
        return [as_seen(version, visible) for version in found]

    async def total(self, query: HistoryQuery, *, visible: Visible) -> int:
        """How many versions there are on all pages together."""
        every = _versions(query, visible).subquery()
        rows = await self._connection.fetch(select(func.count()).select_from(every))
        return int(rows[0][0])


def _versions(query: HistoryQuery, visible: Visible) -> Any:
    # Types under the same grant share one part.
    groups: dict[Any, list[int]] = {}
    for kind in query.kinds:
        if kind in visible.grants:
            same = (visible.tenant_of(kind), visible.grants[kind], visible.denials.get(kind))
            groups.setdefault(same, []).append(kind)
    parts = [
        _part(table, query, kinds, visible)
        for kinds in groups.values()
        for table in (resource, resource_history)
    ]
    if not parts:
        return select(*(resource.c[name] for name in _NAMES)).where(resource.c.tenant.is_(None))
    return union_all(*parts)


def _part(
    table: FromClause, query: HistoryQuery, kinds: list[int], visible: Visible
) -> Select[Any]:
    current = resource if table is resource else resource.alias("current_version")
    statement = select(*(readable(table, name) for name in _NAMES)).where(
        table.c.tenant == visible.tenant_of(kinds[0]),
        table.c.kind.in_(kinds),
        visible_clause(visible, kinds[0], current.c),
    )
    if current is not table:
        statement = statement.join(
            current, and_(current.c.tenant == table.c.tenant, current.c.rid == table.c.rid)
        )
    if query.id is not None:
        statement = statement.where(table.c.id == query.id)
    if query.since is not None:
        statement = statement.where(table.c.updated >= query.since)
    if query.at is not None:
        low, high = query.at
        statement = statement.where(table.c.updated < high)
        if table is resource_history:
            statement = statement.where(~_replaced_by(low, current))
    return statement


def _replaced_by(moment: int, current: FromClause) -> Any:
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
