"""Where a statement over the ordinary store starts.

A planner cannot know what a parameter is worth, and SQLite does not look; so one criterion is
joined as the table to start from, and the others probe the rows that it leads to. An index
ends in the row number, so a start from one value gives its rows in the order of pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, select

from app.db.tables.indexes import idx_reference
from app.db.tables.resources import compartment
from app.fhir.registry import REGISTRY, by_code
from app.search.compiler import Compiler, source_of
from app.search.expression import (
    And,
    Chain,
    Compartment,
    Expression,
    Has,
    Ids,
    Param,
    Value,
)
from app.search.parameters import index_number
from app.search.sources import Rows
from app.search.sources.resource import index_table, passes
from app.search.values import equals, number, one_of

# Of these there are few, and each has a great many referring to it.
_SHARED_TARGETS = frozenset(
    REGISTRY[name].code for name in ("Organization", "Practitioner", "PractitionerRole")
)
_ORDERED = frozenset(("both", "code", "target", "id"))


@dataclass(frozen=True, slots=True)
class Start:
    """A table to start from: what its rows must meet, and how they lead to resources.

    ``repeats`` tells whether several may lead to the same one. Without a table the criterion
    is one on the resource rows.
    """

    table: FromClause | None
    joined: ColumnElement[bool] | None
    conditions: tuple[ColumnElement[bool], ...]
    repeats: bool = True


def criteria(where: Expression) -> tuple[Expression, ...]:
    """The criteria that must all be met."""
    return where.items if isinstance(where, And) else (where,)


def is_narrow(node: Expression) -> bool:
    """Whether few rows meet a criterion, whatever it asks for: one person's, one session's."""
    match node:
        case Ids() | Compartment():
            return True
        case Param(_, "identifier"):
            return True
        case Param(_, code, "reference", (test,)) if test.form == "target":
            return test.values[0] not in _SHARED_TARGETS and test.values[0] != 0
        case Param(_, code, "reference", (test,)):
            return test.form == "id" and code in ("patient", "subject", "encounter")
    return False


def is_start(node: Expression, kind: int) -> bool:
    """Whether a statement over a type can start from a criterion."""
    match node:
        case Chain(_, _, ((target, where),)):
            return _is_plain(target) and any(is_start(item, target) for item in criteria(where))
        case Has(source, _, where):
            inner = any(is_start(item, source) for item in criteria(where))
            return inner and _is_plain(kind) and _is_plain(source)
    return isinstance(node, (Param, Compartment, Ids))


def _is_plain(kind: int) -> bool:
    # Of the ordinary store, and referred to by id alone.
    entry = by_code(kind)
    return entry.store == "resource" and "url" not in entry.search


def is_ordered(node: Expression) -> bool:
    """Whether a start from a criterion gives rows by their number."""
    if isinstance(node, Compartment):
        return not isinstance(node.owner_id, tuple)
    if not isinstance(node, Param) or len(node.tests) > 1:
        return False
    test = node.tests[0]
    return test.form in _ORDERED and not any(isinstance(value, tuple) for value in test.values)


def start(compiler: Compiler, rows: Rows, node: Expression, *, limit: int | None = None) -> Start:
    """The start from a criterion.

    With a ``limit`` no more rows than that are gathered at the far end of a reference, which
    is enough to see whether they are few.
    """
    tenant = compiler.sight.tenant_of(rows.kinds[0])
    match node:
        case Param():
            index = index_table(node).alias()
            return _indexed(index, rows, tenant, passes(index, node))
        case Compartment(owner_kind, owner_id):
            inside = compartment.alias()
            return _indexed(
                inside,
                rows,
                tenant,
                inside.c.owner_kind == number(owner_kind),
                one_of(inside.c.owner_id, owner_id),
                inside.c.kind.in_(map(number, rows.kinds)),
            )
        case Chain(kind, code, ((target, where),)):
            reference = idx_reference.alias()
            return _indexed(
                reference,
                rows,
                tenant,
                reference.c.param == number(index_number(kind, code)),
                reference.c.target_kind == number(target),
                reference.c.target_id.in_(_ids(compiler, target, where, limit)),
            )
        case Has():
            found = _referred(compiler, rows.kinds[0], node, limit)
            referred = (found if limit else found.distinct()).subquery()
            return Start(referred, referred.c.target_id == rows.c.id, (), repeats=False)
    return Start(None, None, (compiler.where(node, rows),), repeats=False)


def _indexed(
    index: FromClause, rows: Rows, tenant: Value, *conditions: ColumnElement[bool]
) -> Start:
    joined = and_(index.c.tenant == rows.c.tenant, index.c.rid == rows.c.rid)
    return Start(index, joined, (equals(index.c.tenant, tenant), *conditions))


def matching(compiler: Compiler, kind: int, where: Expression) -> tuple[Rows, Select[Any]]:
    """The readable rows of a type that match, from the narrowest criterion by its looks."""
    items = criteria(where)
    which = next((i for i, node in enumerate(items) if is_narrow(node)), None)
    if which is None:
        which = next((i for i, node in enumerate(items) if is_start(node, kind)), None)
    rows, statement, _ = started(compiler, (kind,), items, which)
    return rows, statement


def started(
    compiler: Compiler, kinds: tuple[int, ...], items: Sequence[Expression], which: int | None
) -> tuple[Rows, Select[Any], Start | None]:
    """The readable rows that meet all criteria, started from one of them if told so."""
    rows, readable = compiler.rows(kinds)
    begin = None if which is None else start(compiler, rows, items[which])
    source: FromClause = rows.table
    if begin is not None and begin.table is not None:
        source = begin.table.join(rows.table, begin.joined)
    probes = [compiler.where(node, rows) for i, node in enumerate(items) if i != which]
    conditions = begin.conditions if begin else ()
    statement: Select[Any] = select().select_from(source).where(*conditions, *probes, readable)
    return rows, statement, begin


def _ids(compiler: Compiler, kind: int, where: Expression, limit: int | None) -> Select[Any]:
    rows, statement = matching(compiler, kind, where)
    return _limited(statement.add_columns(rows.c.id), limit)


def _referred(compiler: Compiler, kind: int, node: Has, limit: int | None) -> Select[Any]:
    found, statement = matching(compiler, node.source, node.where)
    reference = idx_reference.alias()
    referred = (
        statement.add_columns(reference.c.target_id)
        .select_from(reference)
        .where(
            reference.c.tenant == source_of(node.source).tenant(found),
            reference.c.rid == found.c.rid,
            reference.c.param == number(index_number(node.source, node.code)),
            reference.c.target_kind == number(kind),
        )
    )
    return _limited(referred, limit)


def _limited(statement: Select[Any], limit: int | None) -> Select[Any]:
    if limit is None:
        return statement
    few = statement.limit(number(limit)).subquery()
    return select(few.c[0])
