"""Tree to closures: each takes a collection and gives a collection.

Work is bounded by the size of the resource times the length of the path: no function descends
to any depth, and criteria look only below their item.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, assert_never

from app.fhir.json import JSON, equal
from app.fhir.paths.nodes import RESOLVED, Node
from app.fhir.paths.tree import (
    Call,
    Equal,
    Expression,
    Head,
    Index,
    Is,
    Literal,
    Logic,
    Member,
    OfType,
    This,
    Union,
)

Collection: TypeAlias = list[Node]
Evaluate: TypeAlias = Callable[[Collection], Collection]


def build(tree: Expression) -> Evaluate:
    """The closure of a tree."""
    match tree:
        case This():
            return lambda context: context
        case Head(type=type_):
            return _head(type_)
        case Member(of, name):
            return _member(build(of), name)
        case Index(of, position):
            source = build(of)
            return lambda context: source(context)[position : position + 1]
        case Call(of, function, arguments):
            return _call(build(of), function, arguments)
        case OfType(of, type_):
            source = build(of)
            return lambda context: [node for node in source(context) if node.is_of(type_)]
        case Is(of, type_):
            source = build(of)
            return lambda context: [_boolean(n.is_of(type_)) for n in source(context)[:1]]
        case Union(left, right):
            return _union(build(left), build(right))
        case Equal(left, right, negated):
            return _equal(build(left), build(right), negated=negated)
        case Logic(left, right, operator):
            return _logic(build(left), build(right), absorbing=operator == "or")
        case Literal(value):
            literal = [Node(value, _literal_type(value))]
            return lambda _: literal
        case _:
            assert_never(tree)


def _boolean(value: bool) -> Node:  # noqa: FBT001 - it is the value
    return Node(value, "boolean")


def _head(type_: str) -> Evaluate:
    def evaluate(context: Collection) -> Collection:
        if len(context) == 1 and context[0].type == type_:
            return context
        return [node for node in context if node.is_of(type_)]

    return evaluate


def _member(source: Evaluate, name: str) -> Evaluate:
    def evaluate(context: Collection) -> Collection:
        items = source(context)
        if len(items) == 1:
            return items[0].children(name)
        return [child for node in items for child in node.children(name)]

    return evaluate


def _union(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(context: Collection) -> Collection:
        first, second = left(context), right(context)
        if not first or not second:
            return first or second
        # A place is an item once, however many alternatives lead to it.
        return list({_place(node): node for node in (*first, *second)}.values())

    return evaluate


def _place(node: Node) -> tuple[int, str, int | None]:
    return (id(node.owner.value if node.owner else node.value), node.key, node.position)


def _equal(left: Evaluate, right: Evaluate, *, negated: bool) -> Evaluate:
    def evaluate(context: Collection) -> Collection:
        first, second = left(context), right(context)
        if not first or not second:
            return []
        same = len(first) == len(second) and all(
            equal(a.value, b.value) for a, b in zip(first, second, strict=True)
        )
        return [_boolean(same is not negated)]

    return evaluate


def _logic(left: Evaluate, right: Evaluate, *, absorbing: bool) -> Evaluate:
    """``and`` and ``or`` of three values; ``absorbing`` is the one that decides alone."""

    def evaluate(context: Collection) -> Collection:
        first = _truth(left(context))
        if first is absorbing:
            return [_boolean(absorbing)]
        second = _truth(right(context))
        if second is absorbing:
            return [_boolean(absorbing)]
        return [] if first is None or second is None else [_boolean(not absorbing)]

    return evaluate


def _truth(items: Collection) -> bool | None:
    """A collection where a boolean is due: none is unknown, one item that is not false is true."""
    return None if not items else len(items) > 1 or items[0].value is not False


def _call(source: Evaluate, function: str, arguments: tuple[Expression, ...]) -> Evaluate:
    if function in ("where", "exists"):
        criterion = build(arguments[0]) if arguments else None
        kept = _where(source, criterion) if criterion else source
        if function == "where":
            return kept
        return lambda context: [_boolean(bool(kept(context)))]
    if function in ("extension", "hasExtension"):
        chosen = _where(
            _member(source, "extension"),
            build(Equal(Member(This(), "url"), arguments[0], negated=False)),
        )
        if function == "extension":
            return chosen
        return lambda context: [_boolean(bool(chosen(context)))]
    plain = _PLAIN[function]
    return lambda context: plain(source(context))


def _where(source: Evaluate, criterion: Evaluate) -> Evaluate:
    return lambda context: [node for node in source(context) if _truth(criterion([node]))]


def _not(items: Collection) -> Collection:
    truth = _truth(items)
    return [] if truth is None else [_boolean(not truth)]


def _resolve(items: Collection) -> Collection:
    return [node._replace(type=RESOLVED, shape=None) for node in items]


def _has_value(items: Collection) -> Collection:
    return [_boolean(len(items) == 1 and not isinstance(items[0].value, (dict, list)))]


_PLAIN: dict[str, Evaluate] = {
    "empty": lambda items: [_boolean(not items)],
    "not": _not,
    "first": lambda items: items[:1],
    "last": lambda items: items[-1:],
    "resolve": _resolve,
    "hasValue": _has_value,
}


def _literal_type(value: JSON) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "decimal" if "." in str(value) else "integer"
