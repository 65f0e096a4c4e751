"""Where rows are: the tables of a store and how the tree's leaves are tested there.

``resource.py`` is the ordinary store with its index tables. A store with tables of its own
has a file here that says the same things about them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from sqlalchemy import ColumnElement, FromClause

from app.db.engine import Row
from app.search.expression import Composite, Expression, Ids, Missing, Param, Value
from app.search.found import Found
from app.search.values import Choice, Columns


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of some types under a name of their own in a statement."""

    table: FromClause
    kinds: tuple[int, ...]

    @property
    def c(self) -> Columns:
        """The columns."""
        return self.table.c


class Spread(NamedTuple):
    """Values that rows are spread over, where an index has the rows of each in order of pages.

    ``values`` are those that were asked for, ``on`` tells whether a row has one, and ``when``
    whether to go this way at all: where they are few.
    """

    values: FromClause
    on: ColumnElement[bool]
    when: ColumnElement[bool]


class Link(NamedTuple):
    """How a row's reference leads to a target row: tables in between, and conditions."""

    tables: Sequence[FromClause]
    conditions: Sequence[ColumnElement[bool]]


class Beside(NamedTuple):
    """Another table that has a value of a row: which of its rows, and how they join.

    At most one row of it joins a row, and none where the value is missing.
    """

    table: FromClause
    among: ColumnElement[bool]
    on: ColumnElement[bool]


class Order(NamedTuple):
    """A column to sort by, and the table that it is of where that is another."""

    column: ColumnElement[Any]
    beside: Beside | None = None


class Unseal(Protocol):
    """Opens a stored text; ``context`` is ``tenant|type|id|version``."""

    def __call__(
        self,
        sealed: tuple[bytes, int, bytes | None, bytes | None],
        *,
        owner: str,
        context: str,
    ) -> bytes:
        """The text; ``sealed`` is body, cipher, wrapped key and nonce."""
        ...


# Compiles a criterion for a row.
Where: TypeAlias = Callable[[Expression, Rows], ColumnElement[bool]]


class Source(Protocol):
    """A store of rows that can be searched. Its conditions are true or false, never NULL."""

    @property
    def key_width(self) -> int:
        """How many columns ``key`` has."""
        ...

    @property
    def merges(self) -> bool:
        """Whether what ``ways`` give is merged, in place of a start from an index table."""
        ...

    def ways(self, rows: Rows, node: Expression) -> Sequence[ColumnElement[bool]]:
        """The ways in which a row may meet a criterion, where an index answers each; else none."""
        ...

    def spread_by(self, criteria: Sequence[Expression]) -> tuple[int, ...]:
        """The places of the criteria that a few values of a row decide; none for any other."""
        ...

    def spread(
        self, rows: Rows, met: Sequence[Expression], tenant: Value, where: Where
    ) -> Sequence[ColumnElement[bool] | Spread]:
        """The ways to meet those criteria, by the values that rows are spread over."""
        ...

    def rows(self, kinds: tuple[int, ...]) -> Rows:
        """The rows of these types under a new name."""
        ...

    def tenant(self, rows: Rows) -> ColumnElement[int]:
        """The column that says whose they are."""
        ...

    def current(self, rows: Rows, kinds: tuple[int, ...]) -> ColumnElement[bool]:
        """Whether a row is of one of these types, and not deleted."""
        ...

    def key(self, rows: Rows) -> Sequence[ColumnElement[Any]]:
        """What tells rows apart within a tenant and never changes, newest greatest."""
        ...

    def columns(self, rows: Rows, *, whose: bool) -> Sequence[ColumnElement[Any]]:
        """What ``found`` needs of a row, with the patients it is about or without."""
        ...

    def found(self, values: Row, unseal: Unseal) -> Found:
        """The resource that the values of ``columns`` (and more after them) stand for."""
        ...

    def ids(self, rows: Rows, node: Ids) -> ColumnElement[bool]:
        """Whether the logical id is one of these."""
        ...

    def updated(self, rows: Rows) -> ColumnElement[int]:
        """``meta.lastUpdated`` in microseconds."""
        ...

    def param(self, rows: Rows, node: Param | Composite) -> ColumnElement[bool]:
        """Whether a value passes."""
        ...

    def missing(self, rows: Rows, node: Missing) -> ColumnElement[bool]:
        """Whether there is no value."""
        ...

    def compartment(self, rows: Rows, owner_kind: int, owner_id: Choice) -> ColumnElement[bool]:
        """Whether a row is in the compartment of the owner, or of one of several."""
        ...

    def author(self, rows: Rows, author_kind: int, author_id: Choice) -> ColumnElement[bool]:
        """Whether a person or organization, or one of several, is an author of the row."""
        ...

    def label(self, rows: Rows, name: str) -> ColumnElement[int] | None:
        """The ``confidentiality`` or ``sensitivity`` of a row, or None where rows have none."""
        ...

    def link(self, rows: Rows, code: str, target: Rows) -> Link | None:
        """How the reference parameter leads to a target; None where it never does."""
        ...

    def order(self, rows: Rows, code: str, *, descending: bool) -> Order:
        """What a parameter of the type sorts by."""
        ...
