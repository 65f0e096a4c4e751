"""Statements for one resource by type and id, as a caller sees it.

Their text depends on the ways of seeing alone, never on whose they are, so they are compiled once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

from sqlalchemy import (
    ARRAY,
    SmallInteger,
    and_,
    bindparam,
    case,
    literal_column,
    select,
)

from app.db.engine import DialectName, Params, Statement
from app.db.metadata import Str
from app.db.tables.keys import readable
from app.db.tables.resources import resource
from app.search.compiler import Compiler
from app.search.expression import Shaper
from app.search.sight import Sight
from app.search.sources import Rows
from app.search.sources.resource import owners
from app.search.values import AnyOf, Hash, bind, equals, in_clear
from app.search.visibility import Visible

# read: the rows that are seen; lock: the rows, held, and whether they are seen; reach: whether;
# labels: how confidential those are that are seen.
Purpose: TypeAlias = Literal["read", "lock", "reach", "labels"]

COLUMNS = tuple(column.name for column in resource.columns)

_IN_IDS = AnyOf(resource.c.id, bindparam("ids", type_=ARRAY(resource.c.id.type)))


def lookup(
    purpose: Purpose,
    kind: int,
    ids: Sequence[str],
    *,
    visible: Visible,
    dialect: DialectName,
    hash: Hash,
) -> tuple[Statement, Params]:
    """The statement and its parameters.

    Its columns are ``COLUMNS``, owners, and ``seen``; for labels the id and both labels.
    """
    one = len(ids) == 1

    def made() -> tuple[Statement, Params]:
        shaper = Shaper()
        sight = visible.sight([kind], shaper)
        statement = _lookup(purpose, kind, sight, dialect, one=one)
        return statement, {**bind(shaper.values, dialect, hash), "this_kind": kind}

    statement, params = visible.once((purpose, kind, dialect, one), made)
    named = {"this_id": ids[0]} if one else {"ids": _listed(ids, dialect)}
    return statement, {**params, **named}


def _listed(ids: Sequence[str], dialect: DialectName) -> object:
    return bind([tuple(ids)], dialect, in_clear)["v0"]


@lru_cache(maxsize=1024)
def _lookup(
    purpose: Purpose, kind: int, sight: Sight, dialect: DialectName, *, one: bool
) -> Statement:
    seen = Compiler(sight).seen(Rows(resource, (kind,)), kind)
    this = and_(
        equals(resource.c.tenant, sight.tenant_of(kind)),
        resource.c.kind == bindparam("this_kind", type_=SmallInteger()),
        resource.c.id == bindparam("this_id", type_=Str) if one else _IN_IDS,
    )
    if purpose == "reach":
        return Statement(select(resource.c.rid).where(this, seen), by_key=one)
    if purpose == "labels":
        found = select(resource.c.id, resource.c.confidentiality, resource.c.sensitivity)
        return Statement(found.where(this, seen), by_key=one)
    columns = [readable(resource, name) for name in COLUMNS]
    if purpose == "read":
        return Statement(select(*columns, owners(resource)).where(this, seen), by_key=one)
    number = case((seen, literal_column("1")), else_=literal_column("0"))
    held = select(*columns, owners(resource), number).where(this)
    return Statement(held.with_for_update(of=resource) if dialect == "postgresql" else held)
