"""What the log of a record leaves out for the person whose record it is.

Of a row that is hidden from them the log tells nothing, whoever made it or looked at it: that
it is there at all would be said by it. Of a couple's record it tells while the other opens that.
What is left out is a condition on the event, so pages and totals hold what is told and no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    and_,
    case,
    func,
    not_,
    or_,
    select,
    union_all,
)

from app.db.tables.indexes import idx_reference
from app.db.tables.resources import JOINT, compartment, resource
from app.fhir.audit.record import SUCCESS
from app.fhir.registry import REGISTRY, by_code
from app.search import consents
from app.search.asker import Asker
from app.search.expression import Expression, Shaper, Value
from app.search.labels import cleared
from app.search.sources import Rows, Where
from app.search.sources.resource import RESOURCES
from app.search.values import AnyFrom, bound, equals, number, some

_PATIENT = REGISTRY["Patient"].code
_GROUP = REGISTRY["Group"].code


@dataclass(frozen=True, slots=True)
class Untold:
    """What a person may not see, as far as it follows from types, labels and their role.

    ``own`` is the Patient (id) that they are, ``never`` the types of which they see nothing.
    Of the types ``labelled`` they see rows up to ``confidentiality`` and within
    ``sensitivity``; of those in ``hidden`` none that meet the condition there. ``partner`` asks
    whether somebody else whom a row is about has not opened it to them.
    """

    own: Value
    never: tuple[int, ...]
    labelled: tuple[int, ...]
    confidentiality: Value
    sensitivity: Value
    hidden: tuple[tuple[int, Expression], ...]
    partner: Asker

    def shaped(self, shaper: Shaper) -> Untold:
        """The same with slots."""
        return replace(
            self,
            own=shaper.slot(self.own),
            confidentiality=shaper.slot(self.confidentiality),
            sensitivity=shaper.slot(self.sensitivity),
            hidden=tuple([(kind, shaper.expression(where)) for kind, where in self.hidden]),
            partner=self.partner.shaped(shaper),
        )


def condition(events: Rows, untold: Untold, where: Where, *, tenant: Value) -> ColumnElement[bool]:
    """Whether an event is left out; ``where`` judges rows by all that is stored.

    What the person asked is told, in vain too: it is told alike whether there is such a row.
    """
    c = events.c
    own = _Own(untold, where, tenant)
    about = and_(c.entity_kind.is_not(None), or_(*_hidden(events, untold, own)))
    # What was found of theirs is not named: nothing is told unless they see any of such rows.
    asked = or_(
        *(_asks(c.query, kind) for kind in untold.never),
        *(and_(own.sees_none(kind), _asks(c.query, kind)) for kind in own.kinds),
    )
    # Nor what was found of their couple: nothing is told unless all is opened to them.
    of_couple = and_(
        c.entity_kind.is_not(None),
        c.entity_kind == number(_GROUP),
        or_(c.query.is_not(None), c.entity_name.is_not(None)),
        not_(AnyFrom(c.entity_id, own.open_couples())),
    )
    by_them = and_(
        c.actor_kind.is_not(None),
        c.actor_kind == number(_PATIENT),
        c.actor_id == bound(untold.own, c.actor_id),
    )
    in_vain = and_(by_them, c.outcome != bound(SUCCESS, c.outcome))
    # Nor that they were found through what is another's, where their own Patient stands for it.
    through = and_(c.entity_kind.is_not(None), c.entity_kind == number(_PATIENT))
    found = or_(and_(c.query.is_not(None), or_(asked, through)), of_couple)
    return or_(and_(about, not_(in_vain)), and_(found, not_(by_them)))


def _hidden(events: Rows, untold: Untold, own: _Own) -> Iterator[ColumnElement[bool]]:
    c = events.c
    if untold.never:
        yield c.entity_kind.in_(map(number, untold.never))
    row = resource.alias()
    this = (row.c.tenant == c.tenant, row.c.kind == c.entity_kind, row.c.id == c.entity_id)
    hidden = or_(own.is_closed(row), own.is_withheld(row, untold.labelled))
    yield some(row, where=(*this, hidden))


def _withheld(rows: Rows, untold: Untold, where: Where) -> Iterator[ColumnElement[bool]]:
    """Whether a row is hidden by its labels, by what it is or by what it is about."""
    row = rows.c
    yield and_(row.kind.in_(map(number, untold.labelled)), not_(_cleared(rows, untold)))
    for kind, met in untold.hidden:
        # What was indexed of a deleted row is gone: nobody can tell any more what it was.
        deleted = row.deleted != number(0)
        yield and_(row.kind == number(kind), or_(deleted, where(met, Rows(rows.table, (kind,)))))
    if untold.never:
        to = idx_reference.alias()
        names_one = to.c.target_kind.in_(map(number, untold.never))
        yield some(to, where=(to.c.tenant == row.tenant, to.c.rid == row.rid, names_one))


def _cleared(rows: Rows, untold: Untold) -> ColumnElement[bool]:
    """Whether a row's labels are within what the person may see."""
    limits = {"confidentiality": untold.confidentiality, "sensitivity": untold.sensitivity}
    return and_(
        *(cleared(RESOURCES.label(rows, name), name, limit) for name, limit in limits.items())
    )


def _asks(query: ColumnElement[str], kind: int) -> ColumnElement[bool]:
    """Whether a request was for rows of a type: it has a patient only if it found theirs."""
    name = by_code(kind).name
    patterns = (f"%/fhir/{name}%", f"%/fhir/%/%/{name}%")
    return or_(*(query.like(bound(each, query)) for each in patterns))


class _Own:
    """What a person has themselves: asked once for a statement, not for every event."""

    def __init__(self, untold: Untold, where: Where, tenant: Value) -> None:
        self._untold = untold
        self._where = where
        self._tenant = tenant
        self.kinds = [kind for kind in untold.labelled if kind not in untold.never]
        # At the head of the statement: SQLite's parser goes a hundred places deep.
        self._closed = self._closed_rows().cte()
        self._unseen = self._kinds_unseen().cte()

    def is_withheld(self, row: FromClause, kinds: Sequence[int]) -> ColumnElement[bool]:
        """Whether a row of these types is hidden by its labels or by what it is."""
        return or_(*_withheld(Rows(row, tuple(kinds)), self._untold, self._where))

    def is_closed(self, row: FromClause) -> ColumnElement[bool]:
        """Whether a row of theirs is another's too, who has not opened it to them."""
        return AnyFrom(row.c.rid, select(self._closed.c.rid).scalar_subquery())

    def sees_none(self, kind: int) -> ColumnElement[bool]:
        """Whether they have rows of a type, alone or with another, and may see none of them."""
        return AnyFrom(number(kind), select(self._unseen.c.kind).scalar_subquery())

    def open_couples(self) -> ScalarSelect[Any]:
        """The Groups all of whose record that labels let them see the others open to them."""
        inside, row, group = compartment.alias(), resource.alias(), compartment.alias()
        is_closed = case((self.is_closed(row), 1), else_=0)
        return (
            select(group.c.owner_id)
            .select_from(inside, row, group)
            .where(
                *self._theirs(inside, JOINT),
                inside.c.kind.in_(map(number, self.kinds)),
                group.c.tenant == inside.c.tenant,
                group.c.rid == inside.c.rid,
                group.c.owner_kind == number(_GROUP),
                row.c.tenant == inside.c.tenant,
                row.c.rid == inside.c.rid,
                # Deleted ones too: what was found of them stays in the log.
                not_(self.is_withheld(row, self.kinds)),
            )
            .group_by(group.c.owner_id)
            .having(func.max(is_closed) == number(0))
            .scalar_subquery()
        )

    def _closed_rows(self) -> Select[Any]:
        inside, row = compartment.alias(), resource.alias()
        return select(row.c.rid).where(
            *self._theirs(inside, _PATIENT, JOINT),
            row.c.tenant == inside.c.tenant,
            row.c.rid == inside.c.rid,
            consents.condition(Rows(row, tuple(self.kinds)), self._untold.partner),
        )

    def _kinds_unseen(self) -> Select[Any]:
        kind = union_all(*(select(number(kind).label("kind")) for kind in self.kinds)).subquery()
        has, inside, row = compartment.alias(), compartment.alias(), resource.alias()
        seen = (
            *self._theirs(inside, _PATIENT, JOINT),
            inside.c.kind == kind.c.kind,
            row.c.tenant == inside.c.tenant,
            row.c.rid == inside.c.rid,
            not_(or_(self.is_closed(row), self.is_withheld(row, self.kinds))),
        )
        return select(kind.c.kind).where(
            some(has, where=(*self._theirs(has, _PATIENT, JOINT), has.c.kind == kind.c.kind)),
            not_(some(inside, row, where=seen)),
        )

    def _theirs(self, inside: FromClause, *owner_kinds: int) -> tuple[ColumnElement[bool], ...]:
        return (
            equals(inside.c.tenant, self._tenant),
            inside.c.owner_kind.in_(map(number, owner_kinds)),
            inside.c.owner_id == bound(self._untold.own, inside.c.owner_id),
        )
