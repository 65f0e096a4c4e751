"""Searches: a page of what a caller may see, with what goes along, and the number of it all.

Every row that is read here has come through ``search.compiler`` with the caller's ``Visible``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from app.core.errors import AppError, Category, Issue, Severity
from app.db.engine import Query, Row
from app.db.scratch import scratch
from app.repositories.apart import TABLES, fill
from app.repositories.asking import Asking, shown
from app.repositories.recall import Recall
from app.search import merging, pages
from app.search.compiler import source_of
from app.search.cursor import Position
from app.search.found import Found, Page
from app.search.hidden import MOST, Split, split, too_costly
from app.search.inclusions import Inclusions
from app.search.merging import Counted
from app.search.plans import Plan, plan, sees_one_patient
from app.search.query import SearchQuery
from app.search.sources.resource import RESOURCES
from app.search.visibility import Visible

T = TypeVar("T")

MAX_INCLUDES = 1000


class Searches(Asking):
    """Carries out searches on one connection."""

    async def page(
        self, query: SearchQuery, *, visible: Visible, after: Position | None = None
    ) -> Page:
        """The page after a position, or the first."""
        parts = self._split(query, visible)
        if parts is not None:
            async with self._apart(parts, visible) as apart:
                page = await apart.page(parts.apart, visible=_all(visible.tenant), after=after)
            includes, complete = await self._includes(query, page.matches, visible)
            return replace(page, includes=includes, issues=() if complete else (_CUT,))
        planned = await self._planned(query, visible, whose=True)
        if query.only_total:
            return Page(total=(await self._counted(planned)).total)
        total, is_exact = after.total if after else None, True
        limit, edge = query.count + 1, None
        rows: Sequence[Row]
        if planned.goes_through:
            rows, edge = await self._gone_through(planned, after, limit=limit)
            if after is None and query.total != "none":
                total, is_exact = await self._counted(planned)
                total = max(total, len(rows))
        elif after is None and query.total != "none" and planned.parts(None) == ("all",):
            rows, (total, is_exact) = await self._rows_and_total(planned, limit=limit)
            # A sample need not have what is on the page.
            total = max(total, len(rows))
        else:
            rows = await self._rows(planned, after, limit=limit)
        matches = tuple(await self._seen(query.kinds, rows[: query.count], visible))
        if query.total == "none":
            total = None
        elif total is None:
            complete = after is None and len(rows) <= query.count
            total = len(rows) if complete else (await self._counted(planned)).total
        following = None
        if len(rows) > query.count:
            following = _position(query, rows[query.count - 1], total)
        elif edge is not None:
            following = _onward(query, edge, total)
        includes, complete = await self._includes(query, matches, visible)
        told = (*(() if is_exact else (_ABOUT,)), *(() if edge is None else (_SO_FAR,)))
        return Page(matches, includes, total, following, told if complete else (*told, _CUT))

    async def matches(self, query: SearchQuery, *, visible: Visible, limit: int) -> list[Found]:
        """The first matches, at most ``limit``, in the order of the query."""
        parts = self._split(query, visible)
        if parts is not None:
            async with self._apart(parts, visible) as apart:
                seen = _all(visible.tenant)
                return await apart.matches(parts.apart, visible=seen, limit=limit)
        planned = await self._planned(query, visible)
        rows = await self._rows(planned, None, limit=limit)
        return await self._seen(query.kinds, rows, visible)

    async def recalled(
        self, query: SearchQuery, *, visible: Visible, limit: int, by: Recall[T]
    ) -> list[T]:
        """What ``by`` reads out of the first matches; a text is opened where it is not known.

        For types of which everybody who sees them sees the same.
        """
        if self._split(query, visible) is not None:
            found = await self.matches(query, visible=visible, limit=limit)
            return [by.read(each) for each in found]

        planned = await self._planned(query, visible)
        rows = await self._rows(planned, None, limit=limit)

        def read(row: Row) -> T:
            def found() -> Found:
                return shown(source_of(query.kinds[0]).found(row, self._unseal), visible)

            # Without its key a version is not readable any more, known or not.
            key = RESOURCES.version_of(row)
            return by.of(key, found) if key else by.read(found())

        return await self._keys.opening(lambda: [read(row) for row in rows])

    async def total(self, query: SearchQuery, *, visible: Visible) -> int:
        """How many match."""
        parts = self._split(query, visible)
        if parts is not None:
            async with self._apart(parts, visible) as apart:
                return await apart.total(parts.apart, visible=_all(visible.tenant))
        planned = replace(await self._planned(query, visible), most=None)
        return (await self._counted(planned)).total

    async def _planned(self, query: SearchQuery, visible: Visible, *, whose: bool = False) -> Plan:
        laterals = self._connection.dialect == "postgresql"
        planned = plan(query, visible=visible, laterals=laterals, whose=whose)
        if doubtful := planned.doubtful:
            few = merging.total(doubtful, most=merging.COUNTED + 1)
            found = await self._ask(few, planned.values, planned.tenant)
            return planned if found[0][0] <= merging.COUNTED else planned.spread()
        return await self._looked(planned)

    async def _rows(
        self, planned: Plan, after: Position | None, *, limit: int, edge: int | None = None
    ) -> list[Row]:
        found: list[Row] = []
        for part in planned.parts(after):
            values = list(planned.values)
            # A part is continued where the page before ended in it, else begun.
            begun = after is not None and (part != "absent" or after.order[0] is None)
            begin = planned.after(after if begun else None, values)
            ends = planned.slot(edge, values)
            statement = pages.page(planned.shape, part=part, after=begin, limit=limit, edge=ends)
            found += await self._ask(statement, values, planned.tenant)
            if len(found) >= limit:
                break
        return found[:limit]

    async def _gone_through(
        self, planned: Plan, after: Position | None, *, limit: int
    ) -> tuple[Sequence[Row], int | None]:
        """The rows of a page and, where it ends for having gone so far back, its last instant.

        Raises ``too-costly`` where rows that are gone through should come in another order.
        """
        in_time = merging.is_in_time(planned.shape)
        found: list[Row] = []
        edge: int | None = None
        for most in merging.GOES_BACK if in_time else merging.GOES_BACK[-1:]:
            values = list(planned.values)
            statement = planned.edge(after, values, most=most)
            ends = await self._ask(statement, values, planned.tenant)
            edge = int(ends[0][0]) if ends else None
            if edge is not None and not in_time:
                raise _unordered()
            found = await self._rows(planned, after, limit=limit, edge=edge)
            if edge is None or len(found) >= limit:
                return found, None
        return found, edge

    async def _rows_and_total(self, planned: Plan, *, limit: int) -> tuple[Sequence[Row], Counted]:
        params = await self._bind(planned.values, planned.tenant)
        counted, rows = await self._connection.fetch_all(
            [
                Query(planned.count(), params),
                Query(pages.page(planned.shape, part="all", after=None, limit=limit), params),
            ]
        )
        return rows, await self._number(planned, counted[0])

    async def _counted(self, planned: Plan) -> Counted:
        rows = await self._ask(planned.count(), planned.values, planned.tenant)
        return await self._number(planned, rows[0])

    async def _number(self, planned: Plan, row: Row) -> Counted:
        """How many match, where not all were counted about how many."""
        if planned.is_sampled:
            return merging.about(row, size=merging.GONE_THROUGH)
        counted = int(row[0])
        if planned.most is None or counted < planned.most:
            return Counted(counted, is_exact=True)
        size = merging.SAMPLED
        sample = merging.sample(planned.shape, size=size)
        rows = await self._ask(sample, planned.values, planned.tenant)
        about, is_exact = merging.about(rows[0], size=size)
        return Counted(max(counted, about), is_exact)

    async def _includes(
        self, query: SearchQuery, matches: Sequence[Found], visible: Visible
    ) -> tuple[tuple[Found, ...], bool]:
        if not matches or not (query.includes or query.revincludes):
            return (), True
        inclusions = Inclusions(query, matches, limit=MAX_INCLUDES)
        while (step := inclusions.step(visible=visible)) is not None:
            params = await self._bind(step.values, visible.tenant) | {
                "limit": inclusions.rows_to_ask
            }
            rows = await self._connection.fetch(step.statement, params)
            inclusions.add(await self._seen(step.kinds, rows, visible))
        return tuple(inclusions.found), inclusions.complete

    def _split(self, query: SearchQuery, visible: Visible) -> Split | None:
        if self._index_keys is None:
            return None
        return split(query, within_own=sees_one_patient(query, visible))

    @asynccontextmanager
    async def _apart(self, parts: Split, visible: Visible) -> AsyncIterator[Searches]:
        """Searches over what the bounds find, opened and indexed in clear, in memory only."""
        planned = await self._planned(parts.bounds, visible, whose=True)
        rows = await self._rows(planned, None, limit=MOST + 1)
        if len(rows) > MOST:
            raise too_costly(parts.asked)
        found = await self._seen(parts.bounds.kinds, rows, visible)
        with scratch(TABLES) as connection:
            await asyncio.to_thread(fill, connection, found, tenant=visible.tenant)
            yield Searches(connection, self._codec, self._keys, None)


def _all(tenant: int) -> Visible:
    return Visible.everything(tenant, reason="what was found apart has been seen already")


_CUT = Issue(
    "too-costly",
    f"more than {MAX_INCLUDES} resources go with this page: the rest was left out",
    severity=Severity.WARNING,
)


_ABOUT = Issue(
    "informational",
    "the total is an estimate; _total=accurate counts",
    severity=Severity.INFORMATION,
)


_SO_FAR = Issue(
    "informational",
    "no index answers this: so many records were gone through as one page may, and the next page"
    " goes on where it ends; a patient, an agent, an entity or a date says where to look",
    severity=Severity.INFORMATION,
)


def _unordered() -> AppError:
    return AppError.of(
        Category.INVALID,
        "too-costly",
        "this is too much to put in another order than that of time: ask for less of it, by"
        " date, patient, agent or entity",
    )


def _onward(query: SearchQuery, edge: int, total: int | None) -> Position:
    """After all of an instant, whichever way pages go in time."""
    others = (None,) * (len(query.sort) - 1)
    return Position(order=(edge, *others) if query.sort else (), key=(edge, -1), total=total)


def _position(query: SearchQuery, row: Row, total: int | None) -> Position:
    width = source_of(query.kinds[0]).key_width
    return Position(
        order=tuple(row[-width - len(query.sort) : -width]), key=tuple(row[-width:]), total=total
    )
