"""``enableWhen``: which occurrence of a question is meant, and whether its answers match.

https://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.enableWhen: the nearest
occurrence, looked for among the ancestors, then before, then after.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from app.domain.questionnaire.definition import Condition, Item
from app.domain.questionnaire.values import are_comparable, compare, identity
from app.fhir.json import JSON, Tree

_order = attrgetter("order")


@dataclass(slots=True, eq=False)
class Scope:
    """A place that holds items: the response, one group occurrence, or one answer.

    ``start`` and ``end`` enclose the order numbers of what it holds.
    """

    owner: Occurrence | None
    items: Mapping[str, Item]
    path: str
    start: int
    end: int = 0
    found: dict[str, list[Occurrence]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Occurrence:
    """One item of a response.

    ``order`` numbers them as they stand in the document; ``given`` counts values, ``answers``
    are those of the right type.
    """

    item: Item
    node: Tree
    path: str
    scope: Scope
    order: int
    end: int = 0
    given: int = 0
    answers: list[tuple[str, JSON]] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=list)

    @property
    def is_filled(self) -> bool:
        """Whether it holds more than its linkId."""
        return bool(self.given or any(scope.found for scope in self.scopes))


def is_enabled(item: Item, scope: Scope, watched: Mapping[str, Sequence[Occurrence]]) -> bool:
    """Whether an item of ``scope`` is enabled; ``watched`` are occurrences by linkId, in order."""
    if not item.enabled_when:
        return True
    at = _place(item, scope)
    results = (
        _holds(condition, _nearest(condition, scope, at, watched.get(condition.question, ())))
        for condition in item.enabled_when
    )
    return any(results) if item.enabled_by_any else all(results)


def _place(item: Item, scope: Scope) -> int:
    """Where the item stands, or would stand, in the order of the document."""
    if own := scope.found.get(item.link_id):
        return own[0].order
    before = (
        occurrences[-1].end
        for occurrences in scope.found.values()
        if occurrences[-1].item.position < item.position
    )
    return max(before, default=scope.start)


def _nearest(
    condition: Condition, scope: Scope, at: int, candidates: Sequence[Occurrence]
) -> Occurrence | None:
    inside = scope
    while inside.owner is not None and inside.owner.item.link_id != condition.common:
        inside = inside.owner.scope
    if inside.owner is not None and inside.owner.item.link_id == condition.question:
        return inside.owner
    first = bisect_left(candidates, inside.start, key=_order)
    after = bisect_left(candidates, inside.end, lo=first, key=_order)
    here = bisect_left(candidates, at, lo=first, hi=after, key=_order)
    if here > first:
        return candidates[here - 1]
    return candidates[first] if first < after else None


def _holds(condition: Condition, occurrence: Occurrence | None) -> bool:
    answers = occurrence.answers if occurrence else []
    if condition.operator == "exists":
        return bool(answers) is condition.expected
    if not answers:
        return False
    if condition.operator == "!=":
        return not any(_is(condition, key, value) for key, value in answers)
    if condition.operator == "=":
        return any(_is(condition, key, value) for key, value in answers)
    return any(_is_ordered(condition, key, value) for key, value in answers)


def _is(condition: Condition, key: str, value: JSON) -> bool:
    if are_comparable(key, condition.key):
        order = compare(condition.key, value, condition.expected)
        if order is not None:
            return order == 0
    return bool(identity(key, value) == identity(condition.key, condition.expected))


def _is_ordered(condition: Condition, key: str, value: JSON) -> bool:
    if not are_comparable(key, condition.key):
        return False
    order = compare(condition.key, value, condition.expected)
    if order is None:
        return False
    match condition.operator:
        case ">":
            return order > 0
        case "<":
            return order < 0
        case ">=":
            return order >= 0
        case _:
            return order <= 0
