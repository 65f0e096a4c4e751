"""What the log of a record leaves out for the person whose record it is.

Of a row that is hidden from them the log tells nothing, whoever made it or looked at it: that
it is there at all would be said by it. What is left out is a condition on the event, so pages
and totals hold what is told and no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, and_, not_, or_

from app.db.tables.indexes import idx_reference
from app.db.tables.resources import compartment, resource
from app.fhir.audit.record import SUCCESS
from app.fhir.registry import REGISTRY, by_code
from app.search.expression import Expression, Shaper, Value
from app.search.labels import cleared
from app.search.sources import Rows, Where
from app.search.sources.resource import RESOURCES
from app.search.values import bound, number, some

_PATIENT = REGISTRY["Patient"].code


@dataclass(frozen=True, slots=True)
class Untold:
    """What a person may not see, as far as it follows from types, labels and their role.

    ``own`` is the Patient (id) that they are, ``never`` the types of which they see nothing.
    Of the types ``labelled`` they see rows up to ``confidentiality`` and within
    ``sensitivity``; of those in ``hidden`` none that meet the condition there. ``apart`` are
    types of which they may have such rows alone.
    """

    own: Value
    never: tuple[int, ...]
    labelled: tuple[int, ...]
    confidentiality: Value
    sensitivity: Value
    hidden: tuple[tuple[int, Expression], ...]
    apart: tuple[int, ...]

    def shaped(self, shaper: Shaper) -> Untold:
        """The same with slots."""
        return replace(
            self,
            own=shaper.slot(self.own),
            confidentiality=shaper.slot(self.confidentiality),
            sensitivity=shaper.slot(self.sensitivity),
            hidden=tuple([(kind, shaper.expression(where)) for kind, where in self.hidden]),
        )


def condition(events: Rows, untold: Untold, where: Where) -> ColumnElement[bool]:
    """Whether an event is left out; ``where`` judges rows by all that is stored.

    What the person asked in vain is told: it is told alike whether there is such a row or not.
    """
    c = events.c
    about = and_(c.entity_kind.is_not(None), or_(*_hidden(events, untold, where)))
    asked = or_(
        *(_asks(c.query, kind) for kind in untold.never),
        *(and_(_asks(c.query, kind), _alone(events, kind, untold)) for kind in untold.apart),
    )
    by_them = and_(
        c.actor_kind.is_not(None),
        c.actor_kind == number(_PATIENT),
        c.actor_id == bound(untold.own, c.actor_id),
    )
    in_vain = and_(by_them, c.outcome != bound(SUCCESS, c.outcome))
    return and_(or_(about, and_(c.query.is_not(None), asked)), not_(in_vain))


def _hidden(events: Rows, untold: Untold, where: Where) -> Iterator[ColumnElement[bool]]:
    c = events.c
    if untold.never:
        yield c.entity_kind.in_(map(number, untold.never))
    row = resource.alias()
    rows = Rows(row, untold.labelled)
    this = (row.c.tenant == c.tenant, row.c.kind == c.entity_kind, row.c.id == c.entity_id)
    yield some(row, where=(*this, or_(*_withheld(rows, untold, where))))


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


def _alone(events: Rows, kind: int, untold: Untold) -> ColumnElement[bool]:
    """Whether the person has rows of a type, and may see none of them."""

    def has(*, shown: bool) -> ColumnElement[bool]:
        inside, row = compartment.alias(), resource.alias()
        seen = _cleared(Rows(row, (kind,)), untold)
        conditions = (
            inside.c.tenant == events.c.tenant,
            inside.c.owner_kind == number(_PATIENT),
            inside.c.owner_id == bound(untold.own, inside.c.owner_id),
            inside.c.kind == number(kind),
            row.c.tenant == inside.c.tenant,
            row.c.rid == inside.c.rid,
            seen if shown else not_(seen),
        )
        return some(inside, row, where=conditions)

    return and_(has(shown=False), not_(has(shown=True)))
