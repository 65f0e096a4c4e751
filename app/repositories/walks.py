"""Going through all of a type that a caller sees, in ranges of row numbers, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import func, select

from app.db.engine import Statement
from app.db.tables.keys import readable
from app.db.tables.resources import resource, resource_history
from app.repositories.asking import Asking
from app.repositories.versions import StoredVersion, as_seen, open_row, with_past
from app.search import walks
from app.search.expression import Slot, Value
from app.search.found import Found
from app.search.plans import Plan, plan
from app.search.query import SearchQuery
from app.search.values import bind, bound, equals, in_clear, one_of
from app.search.visibility import Visible

_LATER = resource_history.alias("later")
_PAST = Statement(
    select(*(readable(resource_history, column.name) for column in resource.columns))
    .select_from(with_past(resource))
    .where(
        equals(resource_history.c.tenant, Slot(0)),
        one_of(resource_history.c.rid, Slot(1, is_list=True)),
        resource_history.c.version
        == select(func.max(_LATER.c.version))
        .where(
            _LATER.c.tenant == resource_history.c.tenant,
            _LATER.c.rid == resource_history.c.rid,
            _LATER.c.updated < bound(Slot(2), _LATER.c.updated),
        )
        .scalar_subquery(),
    )
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Row numbers from ``down_to`` to before ``below``, or to the newest, and how many at most."""

    below: int | None
    down_to: int
    limit: int


class Walks(Asking):
    """Goes through types on one connection."""

    async def numbers(self, query: SearchQuery, stretch: Stretch, *, visible: Visible) -> list[int]:
        """The numbers of the rows that match."""
        planned = await self._planned(query, visible)
        values = list(planned.values)
        below, down_to = self._ends(planned, stretch, values)
        statement = walks.numbers(planned.shape, below=below, down_to=down_to, limit=stretch.limit)
        return [row[0] for row in await self._ask(statement, values, visible.tenant)]

    async def rows(self, query: SearchQuery, stretch: Stretch, *, visible: Visible) -> list[Found]:
        """The rows that match, as they may be seen."""
        planned = await self._planned(query, visible)
        values = list(planned.values)
        below, down_to = self._ends(planned, stretch, values)
        statement = walks.rows(planned.shape, below=below, down_to=down_to, limit=stretch.limit)
        rows = await self._ask(statement, values, visible.tenant)
        return await self._seen(query.kinds, rows, visible)

    async def deletions(
        self, query: SearchQuery, stretch: Stretch, *, since: int, until: int, visible: Visible
    ) -> list[tuple[int, str]]:
        """Number and id of what was deleted from ``since`` to before ``until``."""
        planned = plan(query, visible=visible)
        values = list(planned.values)
        begin, end = planned.slot(since, values), planned.slot(until, values)
        below, down_to = self._ends(planned, stretch, values)
        statement = walks.deletions(
            replace(planned.shape, start=None),
            since=begin,
            until=end,
            below=below,
            down_to=down_to,
            limit=stretch.limit,
        )
        rows = await self._ask(statement, values, visible.tenant)
        return [(row[0], row[1]) for row in rows]

    async def as_of(
        self, numbers: Sequence[int], before: int, *, visible: Visible
    ) -> Mapping[int, StoredVersion]:
        """By number, the last version written before an instant of rows that are seen today.

        Of what has been changed since; what was not there then is not among them.
        """
        if not numbers:
            return {}
        values: list[Value] = [visible.tenant, tuple(numbers), before]
        params = bind(values, self._connection.dialect, in_clear)
        rows = await self._connection.fetch(_PAST, params)
        found = await self._keys.opening(
            lambda: [as_seen(open_row(row, self._codec), visible) for row in rows]
        )
        return {each.rid: each for each in found if not each.deleted}

    async def _planned(self, query: SearchQuery, visible: Visible) -> Plan:
        return await self._looked(plan(query, visible=visible))

    def _ends(self, planned: Plan, stretch: Stretch, values: list[Value]) -> tuple[Value, Value]:
        return planned.slot(stretch.below, values), planned.slot(stretch.down_to, values)
