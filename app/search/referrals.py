"""Statements that follow references from or to the rows of a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    false,
    or_,
    select,
)

from app.db.tables.indexes import idx_reference, idx_token, idx_uri
from app.search.compiler import Compiler, source_of
from app.search.expression import Ids, Slot, Test
from app.search.found import Found
from app.search.keeping import kept
from app.search.parameters import index_number
from app.search.sight import Sight
from app.search.sources import Rows
from app.search.types import reference
from app.search.values import equals, number, one_of, some

# The rows of the page: their numbers, their ids, and ``kind|id`` of each.
_RIDS, _IDS, _PAIRS = (Slot(n, is_list=True) for n in range(3))

_Codes = tuple[tuple[int, str], ...]


class By(Enum):
    """How a link is followed: by id, by canonical URL, or as a store of its own says."""

    ID = "id"
    ID_REVERSE = "id, reverse"
    URL = "url"
    URL_REVERSE = "url, reverse"
    STORE = "store"
    STORE_REVERSE = "store, reverse"


def page_values(page: Sequence[Found]) -> tuple[tuple[int, ...], tuple[str, ...], tuple[str, ...]]:
    """The values of the slots that every statement here begins with."""
    return (
        tuple(row.rid for row in page),
        tuple(row.id for row in page),
        tuple(f"{row.kind}|{row.id}" for row in page),
    )


@kept
def statement(
    kinds: tuple[int, ...], codes: _Codes, sight: Sight, *, page_kind: int, by: By
) -> Select[Any]:
    """The readable rows of ``kinds`` that the page's rows refer to, or that refer to them.

    ``codes`` are the reference parameters to follow, each of its type. Newest first, at most
    ``limit``.
    """
    compiler = Compiler(sight)
    rows, readable = compiler.rows(kinds)
    source = source_of(kinds[0])
    found = select(*source.columns(rows, whose=True)).where(readable)
    if by in _ALONG_INDEX:
        links = _ALONG_INDEX[by](compiler, rows, codes, page_kind).distinct().subquery("link")
        same = [rows.c[column.name] == column for column in links.c]
        found = found.select_from(links.join(rows.table, and_(*same)))
    else:
        found = found.where(_ALONG_STORE[by](compiler, rows, codes, page_kind))
    # An expression, so that no index of all rows by their age looks like a good start.
    by_age = [(column + number(0)).desc() for column in source.key(rows)]
    return found.order_by(*by_age).limit(bindparam("limit", type_=BigInteger()))


def _by_id(compiler: Compiler, rows: Rows, codes: _Codes, page_kind: int) -> Select[Any]:
    from_page = idx_reference.alias()
    return select(from_page.c.target_kind.label("kind"), from_page.c.target_id.label("id")).where(
        *_of_page(compiler, from_page, page_kind), _param(from_page, codes)
    )


def _by_url(compiler: Compiler, rows: Rows, codes: _Codes, page_kind: int) -> Select[Any]:
    from_page, url = idx_reference.alias(), idx_uri.alias()
    tenant = compiler.sight.tenant_of(rows.kinds[0])
    return (
        select(url.c.rid)
        .select_from(from_page, url)
        .where(
            *_of_page(compiler, from_page, page_kind),
            _param(from_page, codes),
            from_page.c.target_kind == number(reference.ELSEWHERE),
            equals(url.c.tenant, tenant),
            or_(*(_names(url, from_page, kind) for kind in rows.kinds)),
        )
    )


def _to_id(compiler: Compiler, rows: Rows, codes: _Codes, page_kind: int) -> Select[Any]:
    to_page = idx_reference.alias()
    return select(to_page.c.rid).where(
        equals(to_page.c.tenant, compiler.sight.tenant_of(rows.kinds[0])),
        _param(to_page, codes),
        reference.predicate(to_page.c, Test("targets", (_IDS, _PAIRS))),
    )


def _to_url(compiler: Compiler, rows: Rows, codes: _Codes, page_kind: int) -> Select[Any]:
    to_page, url = idx_reference.alias(), idx_uri.alias()
    return (
        select(to_page.c.rid)
        .select_from(url, to_page)
        .where(
            *_of_page(compiler, url, page_kind),
            equals(to_page.c.tenant, compiler.sight.tenant_of(rows.kinds[0])),
            to_page.c.target_kind == number(reference.ELSEWHERE),
            _param(to_page, codes),
            _names(url, to_page, page_kind),
        )
    )


def _by_store(compiler: Compiler, rows: Rows, codes: _Codes, page_kind: int) -> ColumnElement[bool]:
    """Along the links that the page's store knows of."""
    ways = []
    for kind in rows.kinds:
        for _, code in codes:
            page, readable = compiler.rows((page_kind,))
            source = source_of(page_kind)
            link = source.link(page, code, Rows(rows.table, (kind,)))
            if link is not None:
                chosen = source.ids(page, Ids(_IDS))
                where = (chosen, readable, *link.conditions, _is_kind(rows, kind))
                ways.append(some(*link.tables, page.table, where=where))
    return or_(false(), *ways)


def _to_store(compiler: Compiler, rows: Rows, codes: _Codes, page_kind: int) -> ColumnElement[bool]:
    """Along the links that the store of the referring rows knows of."""
    ways = []
    for kind, code in codes:
        page, readable = compiler.rows((page_kind,))
        link = source_of(kind).link(Rows(rows.table, (kind,)), code, page)
        if link is not None:
            chosen = source_of(page_kind).ids(page, Ids(_IDS))
            where = (chosen, readable, *link.conditions, _is_kind(rows, kind))
            ways.append(some(*link.tables, page.table, where=where))
    return or_(false(), *ways)


_ALONG_INDEX: dict[By, Callable[[Compiler, Rows, _Codes, int], Select[Any]]] = {
    By.ID: _by_id,
    By.ID_REVERSE: _to_id,
    By.URL: _by_url,
    By.URL_REVERSE: _to_url,
}
_ALONG_STORE: dict[By, Callable[[Compiler, Rows, _Codes, int], ColumnElement[bool]]] = {
    By.STORE: _by_store,
    By.STORE_REVERSE: _to_store,
}


def _is_kind(rows: Rows, kind: int) -> ColumnElement[bool]:
    return source_of(kind).current(rows, (kind,))


def _of_page(
    compiler: Compiler, index: FromClause, page_kind: int
) -> tuple[ColumnElement[bool], ...]:
    return (
        equals(index.c.tenant, compiler.sight.tenant_of(page_kind)),
        one_of(index.c.rid, _RIDS),
    )


def _param(index: FromClause, codes: _Codes) -> ColumnElement[bool]:
    numbers = sorted({index_number(kind, code) for kind, code in codes})
    if len(numbers) == 1:
        return index.c.param == number(numbers[0])
    return index.c.param.in_(map(number, numbers))


def _names(url: FromClause, index: FromClause, kind: int) -> ColumnElement[bool]:
    """Whether a reference row gives the canonical URL of a row of the type, and its version."""
    version = idx_token.alias()
    agrees = some(
        version,
        where=(
            version.c.tenant == url.c.tenant,
            version.c.rid == url.c.rid,
            version.c.param == number(index_number(kind, "version")),
            version.c.code == index.c.version,
        ),
    )
    return and_(
        url.c.param == number(index_number(kind, "url")),
        url.c.value == index.c.target_id,
        or_(index.c.version.is_(None), agrees),
    )
