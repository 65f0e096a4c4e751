"""The audit log's store: rows of ``audit_event``, searched as the AuditEvents they render to.

No index tables: each parameter names the values that a row's event has, as expressions over
its columns and when they are there, and the parameter type's own predicate judges them.
https://hl7.org/fhir/R4/auditevent.html#search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, literal, not_, or_, true

from app.db.engine import Row
from app.db.metadata import Str
from app.db.tables.audit import audit_event
from app.fhir import json
from app.fhir.audit.event import render
from app.fhir.registry import REGISTRY, by_code
from app.search.expression import (
    Compartment,
    Composite,
    Expression,
    Ids,
    Missing,
    Param,
    Value,
)
from app.search.found import Found
from app.search.parameters import TYPES
from app.search.sources import Link, Order, Rows, Spread, Unseal, Where, audit_spread
from app.search.sources.audit_ids import key_is
from app.search.sources.audit_rows import COLUMNS, record_of
from app.search.sources.audit_values import Part, parts
from app.search.types import date
from app.search.values import Choice, number, one_of

_KIND = REGISTRY["AuditEvent"].code
_COMPARTMENTS = {
    REGISTRY[owner].code: codes
    for owner, codes in REGISTRY["AuditEvent"].compartments.items()
    if owner in REGISTRY
}
# References, whose every column has an index (``db/tables/audit.py``).
_INDEXED = frozenset(("agent", "entity", "patient"))
# Where a value is missing it comes last, whichever way the others go.
_FIRST, _LAST = "", "\U0010ffff"


class AuditSource:
    """Rows of ``audit_event``."""

    key_width = 2
    merges = True

    def ways(self, rows: Rows, node: Expression) -> Sequence[ColumnElement[bool]]:
        """One for each column that holds a reference to what was asked for."""
        match node:
            case Param(code=code, index="", tests=tests) if code in _INDEXED:
                predicate = TYPES["reference"].predicate
                return [
                    and_(part.there, or_(*(predicate(part.values, test) for test in tests)))
                    for part in parts(rows.c, code)
                    if part.kind != 0
                ]
            case Compartment(owner_kind, owner_id):
                return self._inside(rows, owner_kind, owner_id)
            case _:
                return ()

    def spread_by(self, criteria: Sequence[Expression]) -> tuple[int, ...]:
        """What happened and how it ended, or the names of who did it."""
        return audit_spread.spread_by(criteria)

    def spread(
        self, rows: Rows, met: Sequence[Expression], tenant: Value, where: Where
    ) -> Sequence[ColumnElement[bool] | Spread]:
        """See ``audit_spread.py``."""
        return audit_spread.spread(rows, met, tenant, where)

    def rows(self, kinds: tuple[int, ...]) -> Rows:
        """The rows under a new name."""
        return Rows(audit_event.alias(), kinds)

    def tenant(self, rows: Rows) -> ColumnElement[int]:
        """The column that says whose they are."""
        return rows.c.tenant  # type: ignore[no-any-return]

    def current(self, rows: Rows, kinds: tuple[int, ...]) -> ColumnElement[bool]:
        """Every row: a record is neither replaced nor deleted."""
        return true() if _KIND in kinds else false()

    def key(self, rows: Rows) -> Sequence[ColumnElement[Any]]:
        """Instant and number."""
        return (rows.c.recorded, rows.c.aid)

    def columns(self, rows: Rows, *, whose: bool) -> Sequence[ColumnElement[Any]]:
        """The columns of a record: who reads the log is recorded by what was asked."""
        return [rows.c[name] for name in COLUMNS]

    def found(self, values: Row, unseal: Unseal) -> Found:
        """The AuditEvent, rendered."""
        record = record_of(values)
        text = json.dumps(render(record))
        return Found(_KIND, record.id, 1, record.recorded, 0, text)

    def ids(self, rows: Rows, node: Ids) -> ColumnElement[bool]:
        """Whether the logical id is one of these."""
        return key_is(rows.c, node.ids)

    def updated(self, rows: Rows) -> ColumnElement[int]:
        """When it was recorded, in microseconds."""
        return rows.c.recorded  # type: ignore[no-any-return]

    def param(self, rows: Rows, node: Param | Composite) -> ColumnElement[bool]:
        """Whether a value of the event passes."""
        assert isinstance(node, Param), "no AuditEvent parameter is a composite"
        if node.type == "date":
            return or_(*(date.instant(rows.c.recorded, test) for test in node.tests))
        predicate = TYPES[node.type].predicate
        return or_(
            false(),
            *(
                and_(part.there, or_(*(predicate(part.values, test) for test in node.tests)))
                for part in parts(rows.c, node.code, node.index)
            ),
        )

    def missing(self, rows: Rows, node: Missing) -> ColumnElement[bool]:
        """Whether the event has no value."""
        if node.type == "date":
            return false()
        return not_(or_(false(), *(part.there for part in parts(rows.c, node.code))))

    def compartment(self, rows: Rows, owner_kind: int, owner_id: Choice) -> ColumnElement[bool]:
        """Whether the event is about the owner, or one of several, or by them."""
        return or_(false(), *self._inside(rows, owner_kind, owner_id))

    def author(self, rows: Rows, author_kind: int, author_id: Choice) -> ColumnElement[bool]:
        """Nobody: the server writes the log."""
        return false()

    def label(self, rows: Rows, name: str) -> ColumnElement[int] | None:
        """A record has no labels."""
        return None

    def link(self, rows: Rows, code: str, target: Rows) -> Link | None:
        """By the reference that the event holds; from the log into the log none leads."""
        kind = target.kinds[0]
        if kind == _KIND:
            return None
        leads = [
            and_(
                part.there,
                part.values.target_kind == number(kind),
                part.values.target_id == target.c.id,
            )
            for part in self._references(rows, (code,), kind)
        ]
        return Link((), (or_(*leads),)) if leads else None

    def order(self, rows: Rows, code: str, *, descending: bool) -> Order:
        """The instant, or the first value that the event may have."""
        if code in ("_id", "_lastUpdated", "date"):
            return Order(rows.c.recorded)
        type_ = TYPES[by_code(_KIND).search[code].type]
        values = [getattr(part.values, type_.ORDER) for part in parts(rows.c, code)]
        return Order(func.coalesce(*values, literal(_FIRST if descending else _LAST, Str)))

    def _inside(self, rows: Rows, owner_kind: int, owner_id: Choice) -> list[ColumnElement[bool]]:
        return [
            and_(
                part.there,
                part.values.target_kind == number(owner_kind),
                one_of(part.values.target_id, owner_id),
            )
            for part in self._references(rows, _COMPARTMENTS.get(owner_kind, ()), owner_kind)
        ]

    def _references(self, rows: Rows, codes: Sequence[str], kind: int) -> list[Part]:
        return [
            part
            for code in codes
            for part in parts(rows.c, code)
            if part.kind is None or part.kind == kind
        ]


AUDIT = AuditSource()
