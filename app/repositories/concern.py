"""How Consents, the clinic's policy and emergencies concern a caller: one query, asked first."""

from __future__ import annotations

from collections.abc import Sequence
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
    literal,
    literal_column,
    or_,
    select,
    union,
    union_all,
)

from app.db.engine import Query, Row, Statement
from app.db.metadata import Str
from app.db.tables.consents import broken_glass, consent_rule, membership
from app.db.tables.indexes import idx_reference
from app.db.tables.resources import JOINT, compartment, tenant
from app.domain.consent import Implicit
from app.fhir.registry import REGISTRY, param_id
from app.search.asker import Concern
from app.search.values import joined, number

_TENANT = bindparam("this_tenant", type_=Integer())
_THIS = bindparam("this", type_=Str)
FEW = 20  # so many patients are named in a query, more are looked up row by row
_BOTH = (number(0), number(1))
_DEFAULT = Implicit.CLINIC
_NOW = bindparam("now", type_=BigInteger())


def _in_time(table: FromClause) -> ColumnElement[bool]:
    return and_(table.c.since <= _NOW, table.c.until > _NOW)


def _concern(*, rated: bool) -> Select[Any]:
    first, second, third = membership.alias(), membership.alias(), membership.alias()
    further = second.join(
        third, and_(third.c.tenant == second.c.tenant, third.c.member == second.c.owner)
    )
    mine = union(
        select(_THIS.label("owner")),
        select(first.c.owner).where(
            first.c.tenant == _TENANT, first.c.member == _THIS, _in_time(first)
        ),
        select(third.c.owner)
        .select_from(further)
        .where(
            second.c.tenant == _TENANT, second.c.member == _THIS, _in_time(second), _in_time(third)
        ),
    ).cte("mine")

    def some(table: FromClause, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        return exists(
            select(literal(1))
            .select_from(table)
            .where(table.c.tenant == _TENANT, _in_time(table), *conditions)
        )

    def flag(name: str, condition: ColumnElement[bool]) -> Select[str, str]:
        return select(literal(name).label("what"), literal("").label("which")).where(condition)

    rule = consent_rule
    me = rule.c.actor.in_(select(mine.c.owner))
    anybody = rule.c.actor == ""
    closes, permits = rule.c.closes == 1, and_(rule.c.closes.in_(_BOTH), rule.c.permit == 1)
    few = (
        select(rule.c.patient)
        .where(rule.c.tenant == _TENANT, _in_time(rule), closes, or_(anybody, me))
        .distinct()
        .limit(FEW + 1)
        .subquery()
    )
    found = union_all(
        select(literal("actor").label("what"), mine.c.owner.label("which")),
        flag("refused", or_(some(rule, closes, anybody), some(rule, closes, me))),
        flag("named", some(rule, permits, me)),
        flag("open", some(rule, permits, anybody)),
        select(literal("closing"), few.c.patient),
        flag("glass", some(broken_glass, broken_glass.c.actor == _THIS)),
        select(literal("policy"), tenant.c.policy).where(tenant.c.id == _TENANT),
        *([_RATING.with_only_columns(literal("rated"), compartment.c.owner_id)] if rated else []),
    ).subquery()
    lines = found.c.what + literal_column("':'", Str) + found.c.which
    return select(joined(lines, "|"))


_RATED_BY = (
    ("EpisodeOfCare", "care-manager"),
    ("Encounter", "practitioner"),
    ("CareTeam", "participant"),
)
# The patients whom a practitioner treats, alone or in a team, or has sat with, as a couple too.
_RATING = (
    select(compartment.c.owner_id)
    .select_from(idx_reference)
    .join(
        compartment,
        and_(
            compartment.c.tenant == idx_reference.c.tenant,
            compartment.c.rid == idx_reference.c.rid,
            compartment.c.owner_kind.in_((number(REGISTRY["Patient"].code), number(JOINT))),
        ),
    )
    .where(
        idx_reference.c.tenant == _TENANT,
        idx_reference.c.param.in_([number(param_id(*each)) for each in _RATED_BY]),
        idx_reference.c.target_kind == number(REGISTRY["Practitioner"].code),
        idx_reference.c.target_id == func.substr(_THIS, len("Practitioner/") + 1),
    )
    .distinct()
)
_CONCERN = Statement(_concern(rated=False), by_key=True)
_CONCERN_RATED = Statement(_concern(rated=True), by_key=True)
_RATERS = _RATING.subquery()
_RATED = Statement(select(joined(_RATERS.c.owner_id, "|")), by_key=True)


def concern_query(actor: str, *, tenant: int, now: int, rated: bool) -> Query:
    """What finds how Consents concern an actor (``Type/id``), in one row.

    ``rated`` asks also for the patients who may have rated them.
    """
    statement = _CONCERN_RATED if rated else _CONCERN
    return Query(statement, {"this_tenant": tenant, "this": actor, "now": now})


def concern_of(rows: Sequence[Row]) -> Concern:
    """The concern that ``concern_query`` found."""
    found = [line.partition(":") for line in rows[0][0].split("|")]
    flags = {what for what, _, _ in found}
    closing = tuple(sorted(which for what, _, which in found if what == "closing"))
    return Concern(
        actors=tuple(sorted(which for what, _, which in found if what == "actor")),
        refused="refused" in flags,
        closing=closing if len(closing) <= FEW else None,
        named="named" in flags,
        open="open" in flags,
        glass="glass" in flags,
        rated=tuple(sorted(which for what, _, which in found if what == "rated")),
        policy=next((Implicit(which) for what, _, which in found if what == "policy"), _DEFAULT),
    )


def rating_query(actor: str, *, tenant: int) -> Query:
    """What finds, in one row, the patients who may have rated a practitioner."""
    return Query(_RATED, {"this_tenant": tenant, "this": actor})


def rated_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """``Concern.rated`` as ``rating_query`` found it."""
    found = rows[0][0] if rows else None
    return tuple(sorted(found.split("|"))) if found else ()
