"""The ordinary store: the current rows of ``resource`` and their index tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    String,
    Table,
    and_,
    case,
    literal_column,
    not_,
    null,
    or_,
    select,
)

from app.db.engine import Row
from app.db.tables.indexes import idx_reference, idx_token, idx_uri
from app.db.tables.keys import readable
from app.db.tables.resources import JOINT, compartment, resource, resource_author
from app.fhir.registry import REGISTRY, by_code
from app.search.expression import Composite, Expression, Ids, Missing, Param, Test, Value
from app.search.found import NOBODY, Found, Member, Whose
from app.search.parameters import TYPES, index_number
from app.search.sources import Beside, Link, Order, Rows, Unseal, Where
from app.search.types import composite
from app.search.values import Choice, Columns, joined, number, one_of, some

# ``position`` of an index row that is not a component's: which end of the order it is.
FIRST, LAST = 1, 2

_PATIENT = REGISTRY["Patient"].code
_GROUP = REGISTRY["Group"].code
_BETWEEN, _MEMBER, _COUPLE = ",", "+", "*"  # no id has one of them
_FOUND = (
    "kind", "id", "version", "updated", "rid", "tenant", "key_owner",
    "body", "cipher", "key_id", "nonce",
)  # fmt: skip


class ResourceSource:
    """Rows of ``resource``."""

    key_width = 1
    merges = False

    def ways(self, rows: Rows, node: Expression) -> Sequence[ColumnElement[bool]]:
        """None: a statement over this store starts from one index table."""
        return ()

    def spread_by(self, criteria: Sequence[Expression]) -> tuple[int, ...]:
        """None of them."""
        return ()

    def spread(
        self, rows: Rows, met: Sequence[Expression], tenant: Value, where: Where
    ) -> Sequence[ColumnElement[bool]]:
        """None: see ``ways``."""
        return ()

    def rows(self, kinds: tuple[int, ...]) -> Rows:
        """The rows of these types under a new name."""
        return Rows(resource.alias(), kinds)

    def tenant(self, rows: Rows) -> ColumnElement[int]:
        """The column that says whose they are."""
        return rows.c.tenant  # type: ignore[no-any-return]

    def current(self, rows: Rows, kinds: tuple[int, ...]) -> ColumnElement[bool]:
        """Of one of these types, and not deleted."""
        kind = rows.c.kind
        of_kind = kind == number(kinds[0]) if len(kinds) == 1 else kind.in_(map(number, kinds))
        return and_(of_kind, rows.c.deleted == number(0))

    def key(self, rows: Rows) -> Sequence[ColumnElement[Any]]:
        """The row number: given once, when a resource is created."""
        return (rows.c.rid,)

    def columns(self, rows: Rows, *, whose: bool) -> Sequence[ColumnElement[Any]]:
        """The row and its sealed text."""
        about = owners(rows.table) if whose else null()
        return [*(readable(rows.table, name) for name in _FOUND), about]

    def found(self, values: Row, unseal: Unseal) -> Found:
        """The resource with its text."""
        kind, id, version, updated, rid, tenant, owner, *sealed = values[: len(_FOUND)]
        body, cipher, key_id, nonce = sealed
        about = values[len(_FOUND)]
        text = unseal(
            (bytes(body), cipher, key_id, nonce),
            owner=owner,
            context=f"{tenant}|{kind}|{id}|{version}",
        )
        return Found(kind, id, version, updated, rid, text, whose(about))

    def version_of(self, values: Row) -> tuple[int, int, int] | None:
        """Tenant, row number and version of what was found; none where its key is gone."""
        _, _, version, _, rid, tenant, _, _, _, key_id, _ = values[: len(_FOUND)]
        return (tenant, rid, version) if key_id else None

    def ids(self, rows: Rows, node: Ids) -> ColumnElement[bool]:
        """Whether the logical id is one of these."""
        return one_of(rows.c.id, node.ids)

    def updated(self, rows: Rows) -> ColumnElement[int]:
        """``meta.lastUpdated`` in microseconds."""
        return rows.c.updated  # type: ignore[no-any-return]

    def param(self, rows: Rows, node: Param | Composite) -> ColumnElement[bool]:
        """Whether a value passes."""
        if isinstance(node, Composite):
            indexes, conditions = components(node)
            joined = [_of(rows, index) for index in indexes]
            return some(*indexes, where=(*joined, *conditions))
        index = index_table(node).alias()
        return some(index, where=(_of(rows, index), passes(index, node)))

    def missing(self, rows: Rows, node: Missing) -> ColumnElement[bool]:
        """Whether there is no value."""
        if node.type == "composite":
            first = by_code(node.kind).search[node.code].components[0]
            table, code = TYPES[first.type].INDEXES[""], f"{node.code}$0"
        else:
            table, code = TYPES[node.type].INDEXES[""], node.code
        index = table.alias()
        param = index.c.param == number(index_number(node.kind, code))
        return not_(some(index, where=(_of(rows, index), param)))

    def compartment(self, rows: Rows, owner_kind: int, owner_id: Choice) -> ColumnElement[bool]:
        """Whether a row is in the compartment of the owner, or of one of several."""
        inside = compartment.alias()
        is_owner = inside.c.owner_kind == number(owner_kind), one_of(inside.c.owner_id, owner_id)
        return some(inside, where=(_of(rows, inside), *is_owner))

    def author(self, rows: Rows, author_kind: int, author_id: Choice) -> ColumnElement[bool]:
        """Whether a person or organization, or one of several, is an author of the row."""
        by = resource_author.alias()
        is_author = by.c.author_kind == number(author_kind), one_of(by.c.author_id, author_id)
        return some(by, where=(_of(rows, by), *is_author))

    def label(self, rows: Rows, name: str) -> ColumnElement[int] | None:
        """The ``confidentiality`` or ``sensitivity`` of a row."""
        # An expression: most rows have most labels, so no index of labels is a good start.
        return rows.c[name] + number(0)  # type: ignore[no-any-return]

    def link(self, rows: Rows, code: str, target: Rows) -> Link | None:
        """Through a row of the reference index; never to a store without ids of its own."""
        if "id" not in target.table.c:
            return None
        reference = idx_reference.alias()
        return Link(
            (reference,),
            (
                _of(rows, reference),
                reference.c.param == number(index_number(rows.kinds[0], code)),
                leads(reference, target),
            ),
        )

    def order(self, rows: Rows, code: str, *, descending: bool) -> Order:
        """The value that comes first in this direction."""
        if code == "_id":
            return Order(rows.c.id)
        if code == "_lastUpdated":
            return Order(rows.c.updated)
        kind = rows.kinds[0]
        type_ = TYPES[by_code(kind).search[code].type]
        index = type_.INDEXES[""].alias()
        end = LAST if descending else FIRST
        among = and_(
            index.c.param == number(index_number(kind, code)),
            index.c.position.in_((number(end), number(FIRST + LAST))),
        )
        return Order(index.c[type_.ORDER], Beside(index, among, _of(rows, index)))


RESOURCES = ResourceSource()


def owners(table: FromClause) -> ColumnElement[str]:
    """Whose a row is, as ``whose`` reads it."""
    owner = compartment.alias()
    return (
        select(owned(owner))
        .where(owner.c.tenant == table.c.tenant, owner.c.rid == table.c.rid, of_people(owner))
        .correlate(table)
        .scalar_subquery()
    )


def of_people(owner: FromClause) -> ColumnElement[bool]:
    """Whether an owner is a patient, one of a couple, or a couple."""
    return owner.c.owner_kind.in_(map(number, (_PATIENT, JOINT, _GROUP)))


def owned(owner: FromClause) -> ColumnElement[str]:
    """The owners of one row in one text: patients, marked where they are of a couple, couples."""
    kind, id = owner.c.owner_kind, owner.c.owner_id
    marked = case(
        (kind == number(_PATIENT), id),
        (kind == number(JOINT), literal_column(f"'{_MEMBER}'", String()) + id),
        else_=literal_column(f"'{_COUPLE}'", String()) + id,
    )
    return joined(marked, _BETWEEN)


@lru_cache(maxsize=4096)  # the rows of a page are often one person's
def whose(told: str | None) -> Whose:
    """Whose a row is. Of a row about several couples each member is told with one of them."""
    if not told:
        return NOBODY
    each = sorted(told.split(_BETWEEN))
    patients = tuple([id for id in each if id[0] not in _MEMBER + _COUPLE])
    couples = [f"Group/{id[1:]}" for id in each if id[0] == _COUPLE]
    members = [Member(id[1:], couples[0]) for id in each if id[0] == _MEMBER and couples]
    return Whose(patients, tuple([m for m in members if m.patient not in patients]))


def index_table(node: Param) -> Table:
    """The table that has the rows of a parameter's index."""
    return TYPES[node.type].INDEXES[node.index]


def passes(index: FromClause, node: Param) -> ColumnElement[bool]:
    """Whether an index row is of the parameter and passes one of the tests."""
    predicate = TYPES[node.type].predicate
    return and_(
        index.c.param == number(index_number(node.kind, node.code, node.index)),
        or_(*(predicate(index.c, test) for test in node.tests)),
    )


def leads(reference: FromClause, target: Rows) -> ColumnElement[bool]:
    """Whether a row of the reference index leads to a target of the one type.

    To a canonical resource it leads by id, or by its ``url`` and, if given, its ``version``.
    """
    kind = target.kinds[0]
    by_id = and_(reference.c.target_kind == number(kind), reference.c.target_id == target.c.id)
    if "url" not in by_code(kind).search:
        return by_id
    url, version = idx_uri.alias(), idx_token.alias()
    names = some(
        url,
        where=(
            _of(target, url),
            url.c.param == number(index_number(kind, "url")),
            url.c.value == reference.c.target_id,
        ),
    )
    agrees = some(
        version,
        where=(
            _of(target, version),
            version.c.param == number(index_number(kind, "version")),
            version.c.code == reference.c.version,
        ),
    )
    by_url = and_(
        reference.c.target_kind == number(0), names, or_(reference.c.version.is_(None), agrees)
    )
    return or_(by_id, by_url)


def components(node: Composite) -> tuple[list[FromClause], list[ColumnElement[bool]]]:
    """An index for each component, and what their rows must meet to be a value that passes."""
    types = [TYPES[name] for name in node.types]

    def component_passes(which: int, columns: Columns, test: Test) -> ColumnElement[bool]:
        return types[which].predicate(columns, test)

    indexes: list[FromClause] = [type_.INDEXES[""].alias() for type_ in types]
    params = [
        number(index_number(node.kind, f"{node.code}${which}")) for which in range(len(types))
    ]
    return indexes, list(composite.conditions(node, indexes, component_passes, params=params))


def _of(rows: Rows, index: FromClause) -> ColumnElement[bool]:
    return and_(index.c.tenant == rows.c.tenant, index.c.rid == rows.c.rid)
