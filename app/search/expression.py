"""What a search asks, as a tree; and the tree's shape, which tells no value.

A ``Shape`` is the same tree with a ``Slot`` in place of each value that a caller gave. It is
what gets compiled, so compiled SQL holds no value, and equal questions share one statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

Scalar: TypeAlias = str | int | None


@dataclass(frozen=True, slots=True)
class Slot:
    """Stands for the value with this number."""

    number: int
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Keyed:
    """A token's code, its system's number, or both as a pair, that is indexed as a hash."""

    param: int
    part: str
    value: Scalar | tuple[Scalar, ...]


Value: TypeAlias = Scalar | tuple[Scalar, ...] | Slot | Keyed


@dataclass(frozen=True, slots=True)
class Test:
    """What an indexed value must be; ``form`` is a word of the parameter type's own."""

    form: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class And:
    """All of them; of none: everything."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them; of none: nothing."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The rows that do not match, those without a value included."""

    item: Expression


@dataclass(frozen=True, slots=True)
class Param:
    """Some indexed value of the parameter passes any of the tests.

    ``kind`` is the type whose parameter it is; ``index`` names a side index of the parameter
    type (``:text``), or is empty for the main one.
    """

    kind: int
    code: str
    type: str
    tests: tuple[Test, ...]
    index: str = ""


@dataclass(frozen=True, slots=True)
class Composite:
    """One value whose components pass any alternative: for each component its tests."""

    kind: int
    code: str
    types: tuple[str, ...]
    alternatives: tuple[tuple[tuple[Test, ...], ...], ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """The parameter has no value at all. ``type`` is its type (of a composite: ``composite``)."""

    kind: int
    code: str
    type: str


@dataclass(frozen=True, slots=True)
class Chain:
    """A reference leads to a resource of a target type that matches."""

    kind: int
    code: str
    targets: tuple[tuple[int, Expression], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """A matching resource of the type ``source`` refers to this one by its parameter."""

    source: int
    code: str
    where: Expression


@dataclass(frozen=True, slots=True)
class Compartment:
    """In the compartment of an owner."""

    owner_kind: int
    owner_id: Value


@dataclass(frozen=True, slots=True)
class Ids:
    """One of these logical ids."""

    ids: Value


@dataclass(frozen=True, slots=True)
class Updated:
    """``meta.lastUpdated`` passes any of the date tests."""

    tests: tuple[Test, ...]


Expression: TypeAlias = (
    And | Or | Not | Param | Composite | Missing | Chain | Has | Compartment | Ids | Updated
)

EVERYTHING = And(())
NOTHING = Or(())


class Shaper:
    """Takes the values out of trees, in order, and leaves slots."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._beyond: dict[Expression, Expression] = {}

    def slot(self, value: Value) -> Value:
        """The slot that stands for a value; ``None`` stays, since SQL treats it apart."""
        if value is None or isinstance(value, Slot):
            return value
        self.values.append(value)
        plain = value.value if isinstance(value, Keyed) else value
        return Slot(len(self.values) - 1, isinstance(plain, tuple))

    def tests(self, tests: tuple[Test, ...]) -> tuple[Test, ...]:
        """The tests with slots."""
        return tuple([Test(t.form, tuple([self.slot(v) for v in t.values])) for t in tests])

    def beyond(self, where: Expression) -> Expression:
        """What is asked at the far end: the same with the same slots, where it leads on."""
        if not kinds(where):
            return self.expression(where)
        if where not in self._beyond:
            self._beyond[where] = self.expression(where)
        return self._beyond[where]

    def expression(self, node: Expression) -> Expression:
        """The tree with slots."""
        match node:
            case Param(kind, code, type_, tests, index):
                return Param(kind, code, type_, self.tests(tests), index)
            case And(items):
                return And(tuple([self.expression(item) for item in items]))
            case Or(items):
                return Or(tuple([self.expression(item) for item in items]))
            case Not(item):
                return Not(self.expression(item))
            case Composite(kind, code, types, alternatives):
                return Composite(
                    kind,
                    code,
                    types,
                    tuple([tuple([self.tests(t) for t in each]) for each in alternatives]),
                )
            case Missing():
                return node
            case Chain(kind, code, targets):
                return Chain(kind, code, tuple([(to, self.beyond(where)) for to, where in targets]))
            case Has(source, code, where):
                return Has(source, code, self.expression(where))
            case Compartment(owner_kind, owner_id):
                return Compartment(owner_kind, self.slot(owner_id))
            case Ids(ids):
                return Ids(self.slot(ids))
            case Updated(tests):
                return Updated(self.tests(tests))
            case _:
                assert_never(node)


def kinds(node: Expression) -> frozenset[int]:
    """The types whose rows a tree reads besides the row that it judges."""
    match node:
        case And(items) | Or(items):
            return frozenset[int]().union(*(kinds(item) for item in items))
        case Not(item):
            return kinds(item)
        case Chain(_, _, targets):
            return frozenset(to for to, _ in targets).union(*(kinds(w) for _, w in targets))
        case Has(source, _, where):
            return kinds(where) | {source}
        case Param() | Composite() | Missing() | Compartment() | Ids() | Updated():
            return frozenset()
        case _:
            assert_never(node)
