"""The values that audit records are spread over, each with an index that has its rows by time.

What happened and how it ended are a handful of words, and they alone decide ``type``,
``subtype``, ``action`` and ``outcome``, however these are asked for. Names are many, but those
that begin alike are few: they are looked up, one after the other, in the index itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    String,
    and_,
    column,
    func,
    or_,
    select,
    true,
    values,
)

from app.db.tables.audit import audit_event
from app.fhir.audit.kinds import KINDS
from app.fhir.audit.record import MAJOR, MINOR, SERIOUS, SUCCESS
from app.search.expression import And, Expression, Missing, Not, Or, Param, Value
from app.search.sources import Rows, Spread, Where
from app.search.sources.audit_values import parts
from app.search.values import bound, equals, number

MOST_NAMES = 60  # that are gone through one by one
_DECIDED = frozenset(("action", "outcome", "subtype", "type"))
_PAIRS = [(event, outcome) for event in KINDS for outcome in (SUCCESS, MINOR, SERIOUS, MAJOR)]


def spread_by(criteria: Sequence[Expression]) -> tuple[int, ...]:
    """The places of the criteria that names decide, or else what happened and how it ended."""
    for place, node in enumerate(criteria):
        if _is_of_names(node):
            return (place,)
    return tuple(place for place, node in enumerate(criteria) if _is_decided(node))


def spread(
    rows: Rows, met: Sequence[Expression], tenant: Value, where: Where
) -> Sequence[ColumnElement[bool] | Spread]:
    """The ways to meet the criteria of ``spread_by``."""
    [first, *_] = met
    if isinstance(first, Param) and _is_of_names(first):
        return _by_name(rows, first, tenant, where(first, rows))
    pairs = values(
        column("event", String), column("outcome", String), name="pairs", literal_binds=True
    )
    pairs = pairs.data(_PAIRS)
    met_by = [where(node, Rows(pairs, rows.kinds)) for node in met]
    found = select(*pairs.c).where(*met_by).subquery()
    same = and_(rows.c.event == found.c.event, rows.c.outcome == found.c.outcome)
    return [Spread(found, same, true())]


def _is_decided(node: Expression) -> bool:
    match node:
        case Param(code=code, index="" | ":text") | Missing(code=code):
            return code in _DECIDED
        case Not(item):
            return _is_decided(item)
        case And(items) | Or(items):
            return bool(items) and all(map(_is_decided, items))
    return False


def _is_of_names(node: Expression) -> bool:
    match node:
        case Param(code="agent-name", index="", tests=[test]):
            return test.form == "starts"
    return False


def _by_name(
    rows: Rows, node: Param, tenant: Value, meets: ColumnElement[bool]
) -> Sequence[ColumnElement[bool] | Spread]:
    low, high = node.tests[0].values
    names = _names(tenant, low, high)
    counted = select(func.count()).select_from(names).scalar_subquery()
    few = counted <= number(MOST_NAMES)
    # The name is one of these already: to ask again would have a planner expect next to none.
    there = or_(*(part.there for part in parts(rows.c, node.code)))
    named = and_(rows.c.folded.is_not(None), rows.c.folded == names.c.folded, there)
    return [Spread(names, named, few), and_(meets, counted > number(MOST_NAMES))]


def _names(tenant: Value, low: Value, high: Value) -> FromClause:
    """The names between two, each once, and no more than it takes to see that they are many."""
    event, later = audit_event.alias(), audit_event.alias()
    least = _least(event, tenant, event.c.folded >= bound(low, event.c.folded), high)
    told = select(least.subquery().c.folded).cte("told", recursive=True)
    step = _least(later, tenant, later.c.folded > told.c.folded, high).lateral()
    told = told.union_all(select(step.c.folded).select_from(told.join(step, true())))
    return select(told.c.folded).limit(number(MOST_NAMES + 1)).cte("names")


def _least(
    event: FromClause, tenant: Value, passed: ColumnElement[bool], high: Value
) -> Select[tuple[str]]:
    name = event.c.folded
    bounds = (name.is_not(None), passed, name < bound(high, name))
    found = select(name).where(equals(event.c.tenant, tenant), *bounds)
    return found.order_by(name).limit(number(1))
