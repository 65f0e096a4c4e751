"""The rules of Consents as conditions on a row: ``domain/consent`` in SQL.

The rules are rows, so a query's text does not grow with what patients decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    literal_column,
    not_,
    or_,
    select,
    union,
)

from app.db.tables.consents import consent_rule
from app.db.tables.resources import compartment, resource, resource_author
from app.domain.consent.policy import RANKS
from app.fhir.registry import REGISTRY
from app.search.asker import Asker, Form
from app.search.expression import Value
from app.search.provisions import (
    EMPTY,
    about,
    applies,
    begins,
    broken,
    exists_one,
    governs,
    in_time,
    lists_value,
    of_patient,
    speaks_of,
    word,
)
from app.search.sources import Rows
from app.search.values import bound, equals, number, one_of, some

GROUP = REGISTRY["Group"].code
VERY_RESTRICTED = RANKS["V"]


def condition(rows: Rows, asker: Asker) -> ColumnElement[bool]:
    """Whether the Consents of those whom a row is about say what the form asks."""
    match asker.form:
        case Form.PERMIT:
            return _permitted(rows, asker)
        case Form.REFUSAL:
            return _refused(rows, asker)
        case Form.SILENT:
            return _silent(rows, asker)
        case Form.PARTNER:
            return _withheld_from_partner(rows, asker)
        case Form.GLASS:
            inside = compartment.alias()
            glass = broken(inside.c.tenant, inside.c.owner_id, asker)
            return exists_one([inside], about(inside, rows), glass)


def opened(asker: Asker, *, rids: Value, tenant: Value) -> Select[Any]:
    """Of some rows, each patient and what permits these to the caller: Consent, version, path.

    An emergency that the caller declared comes without a Consent, before what weighs anything.
    """
    rows = Rows(resource.alias(), ())
    inside, rule = compartment.alias(), consent_rule.alias()
    these = and_(equals(rows.c.tenant, tenant), one_of(rows.c.rid, rids), about(inside, rows))
    permitted = (
        select(inside.c.owner_id, rule.c.consent, rule.c.version, rule.c.path, rule.c.weight)
        .select_from(rows.table, inside, rule)
        .where(
            these,
            *of_patient(rule, inside),
            rule.c.permit == number(1),
            *([one_of(rule.c.actor, asker.actors)] if asker.named else []),
            applies(rule, rows, asker),
        )
    )
    if not asker.glass:
        return permitted.distinct()
    nothing, none = literal_column("''", type_=String()), number(0)
    emergency = (
        select(inside.c.owner_id, nothing, none, nothing, number(-1))
        .select_from(rows.table, inside)
        .where(these, broken(inside.c.tenant, inside.c.owner_id, asker))
    )
    return select(union(permitted, emergency).subquery())


def _permitted(rows: Rows, asker: Asker) -> ColumnElement[bool]:
    inside, other, rule = compartment.alias(), compartment.alias(), consent_rule.alias()
    permit = exists_one(
        [rule],
        *of_patient(rule, other),
        rule.c.permit == number(1),
        *([one_of(rule.c.actor, asker.actors)] if asker.named else []),
        applies(rule, rows, asker),
        or_(rule.c.labelled == number(1), rows.c.confidentiality <= number(asker.ceiling)),
    )
    return and_(
        exists_one([inside], about(inside, rows)),
        not_(exists_one([other], about(other, rows), not_(permit))),
    )


def _refused(rows: Rows, asker: Asker) -> ColumnElement[bool]:
    inside, rule, other = compartment.alias(), consent_rule.alias(), consent_rule.alias()
    denies = and_(rule.c.permit == number(0), speaks_of(rule, rows, permit=False))
    # Some of the data was agreed to: what no Consent permits is not among it.
    leaves_out = rule.c.partial == number(1)
    more_specific = and_(other.c.consent == rule.c.consent, other.c.weight > rule.c.weight)
    permitted = exists_one(
        [other],
        other.c.tenant == rule.c.tenant,
        other.c.patient == rule.c.patient,
        other.c.permit == number(1),
        or_(leaves_out, more_specific),
        applies(other, rows, asker),
    )
    refusal = exists_one(
        [inside, rule],
        about(inside, rows),
        *of_patient(rule, inside),
        or_(denies, leaves_out),
        governs(rule, asker),
        not_(permitted),
    )
    return and_(*_unless(rows, asker), *_of_few(rows, asker), refusal)


def _of_few(rows: Rows, asker: Asker) -> Iterator[ColumnElement[bool]]:
    """Where few can refuse, rows about others need no look at rules."""
    if asker.closing is not None:
        near = compartment.alias()
        yield some(near, where=(about(near, rows), one_of(near.c.owner_id, asker.closing)))


def _silent(rows: Rows, asker: Asker) -> ColumnElement[bool]:
    """Of one of those whom a row is about, no Consent permits it to the caller."""
    inside, rule = compartment.alias(), consent_rule.alias()
    permit = exists_one(
        [rule], *of_patient(rule, inside), rule.c.permit == number(1), applies(rule, rows, asker)
    )
    opened = [permit]
    if asker.lifted:
        opened.append(broken(inside.c.tenant, inside.c.owner_id, asker))
    silent = exists_one([inside], about(inside, rows), not_(or_(*opened)))
    return and_(*_unless(rows, asker), silent)


def _unless(rows: Rows, asker: Asker) -> Iterator[ColumnElement[bool]]:
    if asker.keeps is not None:
        by = resource_author.alias()
        yield not_(
            exists_one(
                [by],
                by.c.tenant == rows.c.tenant,
                by.c.rid == rows.c.rid,
                by.c.author_kind == number(asker.keeps),
                by.c.author_id == bound(asker.own, by.c.author_id),
            )
        )
    if asker.alarmed:
        yield rows.c.confidentiality < number(VERY_RESTRICTED)


def _withheld_from_partner(rows: Rows, asker: Asker) -> ColumnElement[bool]:
    """About another too, unless each of them opened such rows to the other or to their couple."""
    another, group = compartment.alias(), compartment.alias()
    other_id = another.c.owner_id
    joint = exists_one([another], about(another, rows), other_id != bound(asker.own, other_id))
    if not asker.opened:
        return joint
    inside, rule = compartment.alias(), consent_rule.alias()
    couple = or_(begins(rule.c.actor, "Patient/"), begins(rule.c.actor, "Group/"))
    mine = inside.c.owner_id == bound(asker.own, inside.c.owner_id)
    opened = exists_one(
        [rule],
        *of_patient(rule, inside),
        rule.c.permit == number(1),
        or_(one_of(rule.c.actor, asker.actors), and_(mine, couple)),
        in_time(rule, asker),
        or_(rule.c.purposes == EMPTY, lists_value(rule.c.purposes, asker)),
        speaks_of(rule, rows, permit=True),
    )
    left = exists_one(
        [group],
        group.c.tenant == rows.c.tenant,
        group.c.rid == rows.c.rid,
        group.c.owner_kind == number(GROUP),
        not_(one_of(word("Group/") + group.c.owner_id, asker.actors)),
    )
    closed = exists_one([inside], about(inside, rows), not_(opened))
    return and_(joint, or_(left, closed))
