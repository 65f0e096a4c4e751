"""The rules of Consents as conditions on a row: ``domain/consent`` in SQL.

The rules are rows, so a query's text does not grow with what patients decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    String,
    and_,
    cast,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    union,
)

from app.db.tables.consents import broken_glass, consent_rule
from app.db.tables.indexes import idx_date, idx_reference
from app.db.tables.resources import JOINT, compartment, resource, resource_author
from app.domain.consent.decision import ACTIONS, COURSES
from app.fhir.registry import REGISTRY, param_id
from app.search.asker import Asker, Form
from app.search.expression import Value
from app.search.sources import Rows
from app.search.values import bound, equals, number, one_of, some, within

PATIENT, GROUP = REGISTRY["Patient"].code, REGISTRY["Group"].code
VERY_RESTRICTED = 5
NOTE_BIT = 1 << 2
_EMERGENCY = ("BTG", "ETREAT")
# When the data of a type are of: the first of these parameters that the type has.
_DATES = (
    "authored", "date", "recorded-date", "identified", "sent", "authored-on", "start-date",
    "recorded",
)  # fmt: skip
_EMPTY: ColumnElement[str] = literal_column("''", type_=String())


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
            glass = _broken(inside.c.tenant, inside.c.owner_id, asker)
            return _some([inside], _about(inside, rows), glass)


def opened(asker: Asker, *, rids: Value, tenant: Value) -> Select[Any]:
    """Of some rows, each patient and what permits these to the caller: Consent, version, path.

    An emergency that the caller declared comes without a Consent, before what weighs anything.
    """
    rows = Rows(resource.alias(), ())
    inside, rule = compartment.alias(), consent_rule.alias()
    these = and_(equals(rows.c.tenant, tenant), one_of(rows.c.rid, rids), _about(inside, rows))
    permitted = (
        select(inside.c.owner_id, rule.c.consent, rule.c.version, rule.c.path, rule.c.weight)
        .select_from(rows.table, inside, rule)
        .where(
            these,
            *_of(rule, inside),
            rule.c.permit == number(1),
            *([one_of(rule.c.actor, asker.actors)] if asker.named else []),
            _applies(rule, rows, asker),
        )
    )
    if not asker.glass:
        return permitted.distinct()
    nothing, none = literal_column("''", type_=String()), number(0)
    emergency = (
        select(inside.c.owner_id, nothing, none, nothing, number(-1))
        .select_from(rows.table, inside)
        .where(these, _broken(inside.c.tenant, inside.c.owner_id, asker))
    )
    return select(union(permitted, emergency).subquery())


def _permitted(rows: Rows, asker: Asker) -> ColumnElement[bool]:
    inside, other, rule = compartment.alias(), compartment.alias(), consent_rule.alias()
    permit = _some(
        [rule],
        *_of(rule, other),
        rule.c.permit == number(1),
        *([one_of(rule.c.actor, asker.actors)] if asker.named else []),
        _applies(rule, rows, asker),
        or_(rule.c.labelled == number(1), rows.c.confidentiality <= number(asker.ceiling)),
    )
    return and_(
        _some([inside], _about(inside, rows)),
        not_(_some([other], _about(other, rows), not_(permit))),
    )


def _refused(rows: Rows, asker: Asker) -> ColumnElement[bool]:
    inside, rule, other = compartment.alias(), consent_rule.alias(), consent_rule.alias()
    denies = and_(rule.c.permit == number(0), _speaks_of(rule, rows, permit=False))
    # Some of the data was agreed to: what no Consent permits is not among it.
    leaves_out = rule.c.partial == number(1)
    more_specific = and_(other.c.consent == rule.c.consent, other.c.weight > rule.c.weight)
    permitted = _some(
        [other],
        other.c.tenant == rule.c.tenant,
        other.c.patient == rule.c.patient,
        other.c.permit == number(1),
        or_(leaves_out, more_specific),
        _applies(other, rows, asker),
    )
    refusal = _some(
        [inside, rule],
        _about(inside, rows),
        *_of(rule, inside),
        or_(denies, leaves_out),
        _governs(rule, asker),
        not_(permitted),
    )
    return and_(*_unless(rows, asker), *_of_few(rows, asker), refusal)


def _of_few(rows: Rows, asker: Asker) -> Iterator[ColumnElement[bool]]:
    """Where few can refuse, rows about others need no look at rules."""
    if asker.closing is not None:
        near = compartment.alias()
        yield some(near, where=(_about(near, rows), one_of(near.c.owner_id, asker.closing)))


def _silent(rows: Rows, asker: Asker) -> ColumnElement[bool]:
    """Of one of those whom a row is about, no Consent permits it to the caller."""
    inside, rule = compartment.alias(), consent_rule.alias()
    permit = _some(
        [rule], *_of(rule, inside), rule.c.permit == number(1), _applies(rule, rows, asker)
    )
    opened = [permit]
    if asker.lifted:
        opened.append(_broken(inside.c.tenant, inside.c.owner_id, asker))
    silent = _some([inside], _about(inside, rows), not_(or_(*opened)))
    return and_(*_unless(rows, asker), silent)


def _unless(rows: Rows, asker: Asker) -> Iterator[ColumnElement[bool]]:
    if asker.keeps is not None:
        by = resource_author.alias()
        yield not_(
            _some(
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
    joint = _some([another], _about(another, rows), other_id != bound(asker.own, other_id))
    if not asker.opened:
        return joint
    inside, rule = compartment.alias(), consent_rule.alias()
    couple = or_(_begins(rule.c.actor, "Patient/"), _begins(rule.c.actor, "Group/"))
    mine = inside.c.owner_id == bound(asker.own, inside.c.owner_id)
    opened = _some(
        [rule],
        *_of(rule, inside),
        rule.c.permit == number(1),
        or_(one_of(rule.c.actor, asker.actors), and_(mine, couple)),
        _in_time(rule, asker),
        or_(rule.c.purposes == _EMPTY, _lists_value(rule.c.purposes, asker)),
        _speaks_of(rule, rows, permit=True),
    )
    left = _some(
        [group],
        group.c.tenant == rows.c.tenant,
        group.c.rid == rows.c.rid,
        group.c.owner_kind == number(GROUP),
        not_(one_of(_word("Group/") + group.c.owner_id, asker.actors)),
    )
    closed = _some([inside], _about(inside, rows), not_(opened))
    return and_(joint, or_(left, closed))


def _about(inside: FromClause, rows: Rows) -> ColumnElement[bool]:
    """Whether an owner is a person whom a row is about, alone or as one of a couple."""
    return and_(
        inside.c.tenant == rows.c.tenant,
        inside.c.rid == rows.c.rid,
        inside.c.owner_kind.in_((number(PATIENT), number(JOINT))),
    )


def _of(rule: FromClause, inside: FromClause) -> tuple[ColumnElement[bool], ...]:
    return rule.c.tenant == inside.c.tenant, rule.c.patient == inside.c.owner_id


def _applies(rule: FromClause, rows: Rows, asker: Asker) -> ColumnElement[bool]:
    """Whether a permit applies to a row."""
    is_note = rows.c.sensitivity.bitwise_and(number(NOTE_BIT)) != number(0)
    opens = and_(rule.c.notes == number(1), rule.c.actor == bound(asker.actor, rule.c.actor))
    emergency = _emergency(rule, asker) if asker.glass else false()
    return and_(
        _governs(rule, asker, emergency),
        _speaks_of(rule, rows, permit=True),
        or_(not_(is_note), opens),
    )


def _governs(
    rule: FromClause, asker: Asker, emergency: ColumnElement[bool] | None = None
) -> ColumnElement[bool]:
    """Whether a rule speaks to the caller now, whatever the data."""
    actions = [_lists(rule.c.actions, code) for code in sorted(ACTIONS[asker.action])]
    purposes = [rule.c.purposes == _EMPTY, _lists_value(rule.c.purposes, asker)]
    if emergency is not None:
        purposes.append(emergency)
    return and_(
        _in_time(rule, asker),
        or_(rule.c.actor == _EMPTY, one_of(rule.c.actor, asker.actors)),
        or_(rule.c.actions == _EMPTY, *actions),
        or_(*purposes),
    )


def _emergency(rule: FromClause, asker: Asker) -> ColumnElement[bool]:
    declared = _broken(rule.c.tenant, rule.c.patient, asker)
    return and_(or_(*(_lists(rule.c.purposes, code) for code in _EMERGENCY)), declared)


def _broken(
    tenant: ColumnElement[int], patient: ColumnElement[str], asker: Asker
) -> ColumnElement[bool]:
    glass = broken_glass.alias()
    return _some(
        [glass],
        glass.c.tenant == tenant,
        glass.c.actor == bound(asker.actor, glass.c.actor),
        glass.c.patient == patient,
        _in_time(glass, asker),
    )


def _speaks_of(rule: FromClause, rows: Rows, *, permit: bool) -> ColumnElement[bool]:
    classes = func.coalesce(rows.c.data_class, _EMPTY, type_=String())
    line = _word("\n")
    return and_(
        _labelled(rule, rows, permit=permit),
        or_(
            rule.c.classes == _EMPTY,
            within(line + cast(rows.c.kind, String) + line, rule.c.classes),
        ),
        or_(rule.c.code == _EMPTY, within(line + rule.c.code + line, classes)),
        or_(rule.c.meaning == _EMPTY, _means(rule, rows)),
        _of_the_time(rule, rows, permit=permit),
    )


def _labelled(rule: FromClause, rows: Rows, *, permit: bool) -> ColumnElement[bool]:
    shared = rule.c.sensitivity.bitwise_and(rows.c.sensitivity) != number(0)
    rank = rows.c.confidentiality
    reached = rank <= rule.c.rank if permit else rank >= rule.c.rank
    return or_(rule.c.labelled == number(0), shared, and_(rule.c.rank.is_not(None), reached))


def _means(rule: FromClause, rows: Rows) -> ColumnElement[bool]:
    refers, referred, source = idx_reference.alias(), idx_reference.alias(), resource.alias()
    by = resource_author.alias()
    is_it = and_(rows.c.kind == rule.c.data_kind, rows.c.id == rule.c.data_id)
    refers_to_it = _some(
        [refers],
        refers.c.tenant == rows.c.tenant,
        refers.c.rid == rows.c.rid,
        refers.c.target_kind == rule.c.data_kind,
        refers.c.target_id == rule.c.data_id,
    )
    it_refers = _some(
        [source, referred],
        source.c.tenant == rows.c.tenant,
        source.c.kind == rule.c.data_kind,
        source.c.id == rule.c.data_id,
        referred.c.tenant == source.c.tenant,
        referred.c.rid == source.c.rid,
        referred.c.target_kind == rows.c.kind,
        referred.c.target_id == rows.c.id,
    )
    authored = _some(
        [by],
        by.c.tenant == rows.c.tenant,
        by.c.rid == rows.c.rid,
        by.c.author_kind == rule.c.data_kind,
        by.c.author_id == rule.c.data_id,
    )
    courses = [number(REGISTRY[name].code) for name in sorted(COURSES)]
    in_course = and_(rule.c.data_kind.in_(courses), refers_to_it)
    meaning = rule.c.meaning
    return or_(
        and_(meaning == _word("authoredby"), authored),
        and_(meaning != _word("authoredby"), is_it),
        and_(meaning == _word("dependents"), refers_to_it),
        and_(meaning == _word("related"), or_(it_refers, in_course)),
    )


def _of_the_time(rule: FromClause, rows: Rows, *, permit: bool) -> ColumnElement[bool]:
    date = idx_date.alias()
    dated = [number(kind) for kind in dates()]
    own = and_(
        date.c.tenant == rows.c.tenant,
        date.c.rid == rows.c.rid,
        date.c.param.in_([number(param) for param in dates().values()]),
    )
    overlaps = _some([date], own, date.c.low < rule.c.data_until, date.c.high > rule.c.data_since)
    is_dated = rows.c.kind.in_(dated)
    within = (
        or_(not_(is_dated), overlaps)
        if permit
        else and_(is_dated, or_(overlaps, not_(_some([date], own))))
    )
    return or_(rule.c.data_since.is_(None), within)


@cache
def dates() -> dict[int, int]:
    """By type number, the index number of the parameter that tells when the data are of."""
    found = {}
    for name, entry in REGISTRY.items():
        code = next((code for code in _DATES if code in entry.search), None)
        if code is not None and entry.store == "resource":
            found[entry.code] = param_id(name, code)
    return found


def _in_time(table: FromClause, asker: Asker) -> ColumnElement[bool]:
    now = bound(asker.now, table.c.since)
    return and_(table.c.since <= now, now < table.c.until)


def _word(word: str) -> ColumnElement[str]:
    return literal_column(f"'{word}'", type_=String())


def _lists(lines: ColumnElement[str], word: str) -> ColumnElement[bool]:
    return within(_word(f"\n{word}\n"), lines)


def _lists_value(lines: ColumnElement[str], asker: Asker) -> ColumnElement[bool]:
    return within(_word("\n") + bound(asker.purpose, lines) + _word("\n"), lines)


def _begins(text: ColumnElement[str], word: str) -> ColumnElement[bool]:
    start = func.substr(text, number(1), number(len(word)), type_=String())
    return start == _word(word)


def _some(tables: list[FromClause], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    statement = select(number(1)).select_from(*tables).where(*conditions)
    return statement.correlate_except(*tables).exists()
