"""What a provision of a Consent, kept as a row, says of a caller and of a row of data."""

from __future__ import annotations

from functools import cache

from sqlalchemy import (
    ColumnElement,
    FromClause,
    String,
    and_,
    cast,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
)

from app.db.tables.consents import broken_glass
from app.db.tables.indexes import idx_date, idx_reference
from app.db.tables.resources import JOINT, resource, resource_author
from app.domain.consent.decision import ACTIONS, COURSES, MOST_BY_RANK
from app.fhir.registry import REGISTRY, param_id
from app.search.asker import Asker
from app.search.sources import Rows
from app.search.values import bound, number, one_of, within

PATIENT = REGISTRY["Patient"].code
NOTE_BIT = 1 << 2
_EMERGENCY = ("BTG", "ETREAT")
# When the data of a type are of: the first of these parameters that the type has.
_DATES = (
    "authored", "date", "recorded-date", "identified", "sent", "authored-on", "start-date",
    "recorded",
)  # fmt: skip
EMPTY: ColumnElement[str] = literal_column("''", type_=String())


def about(inside: FromClause, rows: Rows) -> ColumnElement[bool]:
    """Whether an owner is a person whom a row is about, alone or as one of a couple."""
    return and_(
        inside.c.tenant == rows.c.tenant,
        inside.c.rid == rows.c.rid,
        inside.c.owner_kind.in_((number(PATIENT), number(JOINT))),
    )


def of_patient(rule: FromClause, inside: FromClause) -> tuple[ColumnElement[bool], ...]:
    """Whether a rule is of the owner's Consents."""
    return rule.c.tenant == inside.c.tenant, rule.c.patient == inside.c.owner_id


def applies(rule: FromClause, rows: Rows, asker: Asker) -> ColumnElement[bool]:
    """Whether a permit applies to a row."""
    is_note = rows.c.sensitivity.bitwise_and(number(NOTE_BIT)) != number(0)
    opens = and_(rule.c.notes == number(1), rule.c.actor == bound(asker.actor, rule.c.actor))
    emergency = _emergency(rule, rows, asker) if asker.glass else false()
    return and_(
        governs(rule, asker, emergency),
        speaks_of(rule, rows, permit=True),
        or_(not_(is_note), opens),
    )


def governs(
    rule: FromClause, asker: Asker, emergency: ColumnElement[bool] | None = None
) -> ColumnElement[bool]:
    """Whether a rule speaks to the caller now, whatever the data."""
    actions = [_lists(rule.c.actions, code) for code in sorted(ACTIONS[asker.action])]
    purposes = [rule.c.purposes == EMPTY, lists_value(rule.c.purposes, asker)]
    if emergency is not None:
        purposes.append(emergency)
    return and_(
        in_time(rule, asker),
        or_(rule.c.actor == EMPTY, one_of(rule.c.actor, asker.actors)),
        or_(rule.c.actions == EMPTY, *actions),
        or_(*purposes),
    )


def _emergency(rule: FromClause, rows: Rows, asker: Asker) -> ColumnElement[bool]:
    declared = broken(rule.c.tenant, rule.c.patient, asker)
    return and_(
        or_(*(_lists(rule.c.purposes, code) for code in _EMERGENCY)),
        rows.c.confidentiality <= number(MOST_BY_RANK),
        declared,
    )


def broken(
    tenant: ColumnElement[int], patient: ColumnElement[str], asker: Asker
) -> ColumnElement[bool]:
    """Whether the caller has declared an emergency about a patient that still lasts."""
    glass = broken_glass.alias()
    return exists_one(
        [glass],
        glass.c.tenant == tenant,
        glass.c.actor == bound(asker.actor, glass.c.actor),
        glass.c.patient == patient,
        in_time(glass, asker),
    )


def speaks_of(rule: FromClause, rows: Rows, *, permit: bool) -> ColumnElement[bool]:
    """Whether a rule speaks of a row, whoever asks."""
    classes = func.coalesce(rows.c.data_class, EMPTY, type_=String())
    line = word("\n")
    return and_(
        _labelled(rule, rows, permit=permit),
        or_(
            rule.c.classes == EMPTY,
            within(line + cast(rows.c.kind, String) + line, rule.c.classes),
        ),
        or_(rule.c.code == EMPTY, within(line + rule.c.code + line, classes)),
        or_(rule.c.meaning == EMPTY, _means(rule, rows, permit=permit)),
        _of_the_time(rule, rows, permit=permit),
    )


def _labelled(rule: FromClause, rows: Rows, *, permit: bool) -> ColumnElement[bool]:
    shared = rule.c.sensitivity.bitwise_and(rows.c.sensitivity) != number(0)
    rank = rows.c.confidentiality
    reached = rank <= rule.c.rank if permit else rank >= rule.c.rank
    return or_(rule.c.labelled == number(0), shared, and_(rule.c.rank.is_not(None), reached))


def _means(rule: FromClause, rows: Rows, *, permit: bool) -> ColumnElement[bool]:
    refers, referred, source = idx_reference.alias(), idx_reference.alias(), resource.alias()
    by = resource_author.alias()
    is_it = and_(rows.c.kind == rule.c.data_kind, rows.c.id == rule.c.data_id)
    refers_to_it = exists_one(
        [refers],
        refers.c.tenant == rows.c.tenant,
        refers.c.rid == rows.c.rid,
        refers.c.target_kind == rule.c.data_kind,
        refers.c.target_id == rule.c.data_id,
    )
    it_refers = exists_one(
        [source, referred],
        source.c.tenant == rows.c.tenant,
        source.c.kind == rule.c.data_kind,
        source.c.id == rule.c.data_id,
        referred.c.tenant == source.c.tenant,
        referred.c.rid == source.c.rid,
        referred.c.target_kind == rows.c.kind,
        referred.c.target_id == rows.c.id,
    )
    authored = exists_one(
        [by],
        by.c.tenant == rows.c.tenant,
        by.c.rid == rows.c.rid,
        by.c.author_kind == rule.c.data_kind,
        by.c.author_id == rule.c.data_id,
    )
    courses = [number(REGISTRY[name].code) for name in sorted(COURSES)]
    in_course = and_(rule.c.data_kind.in_(courses), refers_to_it)
    meaning = rule.c.meaning
    # What was deleted refers to nothing any more: a denial may have meant it.
    gone = and_(meaning.in_((word("dependents"), word("related"))), rows.c.deleted != number(0))
    return or_(
        *([] if permit else [gone]),
        and_(meaning == word("authoredby"), authored),
        and_(meaning != word("authoredby"), is_it),
        and_(meaning == word("dependents"), refers_to_it),
        and_(meaning == word("related"), or_(it_refers, in_course)),
    )


def _of_the_time(rule: FromClause, rows: Rows, *, permit: bool) -> ColumnElement[bool]:
    date = idx_date.alias()
    dated = [number(kind) for kind in dates()]
    own = and_(
        date.c.tenant == rows.c.tenant,
        date.c.rid == rows.c.rid,
        date.c.param.in_([number(param) for param in dates().values()]),
    )
    overlaps = exists_one(
        [date], own, date.c.low < rule.c.data_until, date.c.high > rule.c.data_since
    )
    is_dated = rows.c.kind.in_(dated)
    within = (
        or_(not_(is_dated), overlaps)
        if permit
        else and_(is_dated, or_(overlaps, not_(exists_one([date], own))))
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


def in_time(table: FromClause, asker: Asker) -> ColumnElement[bool]:
    """Whether what a row of a table says holds now."""
    now = bound(asker.now, table.c.since)
    return and_(table.c.since <= now, now < table.c.until)


def word(text: str) -> ColumnElement[str]:
    """A word of the program's own as text."""
    return literal_column(f"'{text}'", type_=String())


def _lists(lines: ColumnElement[str], code: str) -> ColumnElement[bool]:
    return within(word(f"\n{code}\n"), lines)


def lists_value(lines: ColumnElement[str], asker: Asker) -> ColumnElement[bool]:
    """Whether the caller's purpose is among lines."""
    return within(word("\n") + bound(asker.purpose, lines) + word("\n"), lines)


def begins(text: ColumnElement[str], with_: str) -> ColumnElement[bool]:
    """Whether a text begins with a word."""
    start = func.substr(text, number(1), number(len(with_)), type_=String())
    return start == word(with_)


def exists_one(tables: list[FromClause], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether there is a row of these tables that meets the conditions."""
    statement = select(number(1)).select_from(*tables).where(*conditions)
    return statement.correlate_except(*tables).exists()
