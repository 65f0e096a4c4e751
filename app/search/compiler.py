"""Tree and sight to conditions in SQL.

``rows`` is the only door to a row source: what comes through it is current and visible, so a
match, the target of a chain, the source of ``_has`` and an include are all judged alike. Each
leaf becomes a probe of one row; ``pages.py`` chooses where a statement starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_never

from sqlalchemy import ColumnElement, Select, and_, false, not_, or_, true

from app.fhir.registry import ENTRIES, by_code
from app.search import consents, starts, untold
from app.search.expression import (
    And,
    Chain,
    Compartment,
    Composite,
    Expression,
    Has,
    Ids,
    Missing,
    Not,
    Or,
    Param,
    Updated,
    kinds,
)
from app.search.labels import cleared
from app.search.sight import Alternative, Sight, Ways, by_reach
from app.search.sources import Rows, Source
from app.search.sources.audit import AUDIT
from app.search.sources.resource import RESOURCES
from app.search.types import date
from app.search.values import equals, one_of, some

SOURCES: dict[str, Source] = {"audit": AUDIT, "resource": RESOURCES, "shared": RESOURCES}

_ALL = tuple((code, (Alternative(),)) for code, _, _ in ENTRIES)
_Owners = dict[tuple[int, Expression], Select[Any]]


def source_of(kind: int) -> Source:
    """The store that has the rows of a type."""
    return SOURCES[by_code(kind).store]


class Compiler:
    """Compiles for one pair of eyes."""

    def __init__(self, sight: Sight, owners: _Owners | None = None) -> None:
        self.sight = sight
        self._owners: _Owners = {} if owners is None else owners

    def rows(self, kinds: tuple[int, ...]) -> tuple[Rows, ColumnElement[bool]]:
        """Rows of types that one store has for one tenant, and which of them may be read."""
        source = source_of(kinds[0])
        rows = source.rows(kinds)
        tenant = equals(source.tenant(rows), self.sight.tenant_of(kinds[0]))
        groups: dict[Any, list[int]] = {}
        for kind in kinds:
            if ways := self.sight.ways(kind):
                groups.setdefault((ways, self.sight.barred(kind)), []).append(kind)
        if not groups:
            return rows, false()
        readable = [
            and_(source.current(rows, tuple(group)), *self._seen(rows, group[0]))
            for group in groups.values()
        ]
        return rows, and_(tenant, or_(*readable))

    def seen(self, rows: Rows, kind: int) -> ColumnElement[bool]:
        """Whether a row of the type may be seen."""
        return and_(true(), *self._seen(rows, kind))

    def _seen(self, rows: Rows, kind: int) -> Iterator[ColumnElement[bool]]:
        ways = self.sight.ways(kind)
        if Alternative() not in ways:
            yield or_(false(), *self._ways(ways, rows))
        for barred in self._ways(self.sight.barred(kind), rows):
            yield not_(barred)

    @property
    def trusted(self) -> Compiler:
        """A compiler for what is judged on all that is stored: the conditions of a grant."""
        return Compiler(Sight(self.sight.tenant, trusted=True), self._owners)

    @property
    def _at_hand(self) -> Compiler:
        """The same for a few rows at hand: each reference is followed from the row that has it."""
        return Compiler(Sight(self.sight.tenant, _ALL))

    def _ways(self, ways: Ways, rows: Rows) -> Iterator[ColumnElement[bool]]:
        source = source_of(rows.kinds[0])
        for (compartment, author, within), group in by_reach(ways).items():
            conditions = [or_(*(self._narrowed(way, rows) for way in group))]
            if compartment is not None:
                conditions.append(source.compartment(rows, *compartment))
            if author is not None:
                conditions.append(source.author(rows, *author))
            if within is not None:
                conditions.append(source.compartment(rows, within[0], self.owners(within)))
            yield and_(*conditions)

    def owners(self, within: tuple[int, Expression]) -> Select[Any]:
        """The ids of the owners who match, whoever may see them.

        Who they are is told and found once for a statement, not for every row source and row.
        """
        if within not in self._owners:
            self._owners[within] = starts.told(starts.ids(self.trusted, *within))
        return self._owners[within]

    def _narrowed(self, way: Alternative, rows: Rows) -> ColumnElement[bool]:
        conditions: list[ColumnElement[bool]] = []
        if way.constraint is not None:
            conditions.append(self.trusted.where(way.constraint, rows))
        if way.consent is not None:
            conditions.append(consents.condition(rows, way.consent))
        if way.untold is not None:
            left_out = untold.condition(
                rows, way.untold, self._at_hand.where, tenant=self.sight.tenant
            )
            conditions.append(left_out)
        for name, limit in (
            ("confidentiality", way.confidentiality),
            ("sensitivity", way.sensitivity),
        ):
            if limit is not None:
                label = source_of(rows.kinds[0]).label(rows, name)
                conditions.append(cleared(label, name, limit))
        return and_(true(), *conditions)

    def where(self, node: Expression, rows: Rows) -> ColumnElement[bool]:
        """Whether a row matches."""
        source = source_of(rows.kinds[0])
        match node:
            case And(items):
                return and_(true(), *(self.where(item, rows) for item in items))
            case Or(items):
                return or_(false(), *(self.where(item, rows) for item in items))
            case Not(item):
                return not_(self.where(item, rows))
            case Param() | Composite():
                return source.param(rows, node)
            case Missing():
                return source.missing(rows, node)
            case Compartment(owner_kind, owner_id):
                return source.compartment(rows, owner_kind, owner_id)
            case Ids():
                return source.ids(rows, node)
            case Updated(tests):
                return or_(*(date.instant(source.updated(rows), test) for test in tests))
            case Chain():
                return self._chain(node, rows)
            case Has():
                return self._has(node, rows)
            case _:
                assert_never(node)

    def _chain(self, node: Chain, rows: Rows) -> ColumnElement[bool]:
        ways = []
        for kind, where in node.targets:
            targets, readable = self.rows((kind,))
            link = source_of(rows.kinds[0]).link(rows, node.code, targets)
            if link is not None:
                far = self._far(where, targets, origin=rows)
                conditions = (*link.conditions, readable, far)
                ways.append(some(*link.tables, targets.table, where=conditions))
        return or_(false(), *ways)

    def _far(self, where: Expression, targets: Rows, *, origin: Rows) -> ColumnElement[bool]:
        """Whether a target of a chain from some rows matches.

        Who meets what a grant, or a question about the log, asks beyond further references
        depends on no row at hand. Told once, it neither grows with the ways to see a row nor
        nests deeper than SQLite reads.
        """
        kind = targets.kinds[0]
        if source_of(kind) is RESOURCES and kinds(where):
            if self.sight.trusted:
                return one_of(targets.c.id, self.owners((kind, where)))
            if source_of(origin.kinds[0]) is AUDIT:
                return one_of(targets.c.id, starts.told(starts.ids(self, kind, where)))
        return self.where(where, targets)

    def _has(self, node: Has, rows: Rows) -> ColumnElement[bool]:
        found, readable = self.rows((node.source,))
        ways = []
        for kind in rows.kinds:
            link = source_of(node.source).link(found, node.code, Rows(rows.table, (kind,)))
            if link is not None:
                conditions = (*link.conditions, readable, self.where(node.where, found))
                ways.append(some(*link.tables, found.table, where=conditions))
        return or_(false(), *ways)
