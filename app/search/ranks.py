"""How few rows meet a criterion, by its looks; the narrowest is where a statement starts."""

from __future__ import annotations

from collections.abc import Sequence

from app.fhir.registry import REGISTRY, by_code
from app.search.expression import (
    And,
    Chain,
    Compartment,
    Composite,
    Expression,
    Has,
    Ids,
    Or,
    Param,
    Slot,
)

# Of these there are few, and each has a great many referring to it.
_SHARED_TARGETS = frozenset(
    REGISTRY[name].code for name in ("Organization", "Practitioner", "PractitionerRole")
)
_ORDERED = frozenset(("both", "code", "target", "id"))

# How few rows meet a criterion by its looks, fewest first.
NARROW, FEW, SOME, MANY = range(4)


def criteria(where: Expression) -> tuple[Expression, ...]:
    """The criteria that must all be met."""
    return where.items if isinstance(where, And) else (where,)


def rank(node: Expression, kind: int) -> int | None:
    """How few rows of a type meet a criterion; None where a statement cannot start from it.

    ``NARROW`` is what one person or one session has, whatever the rest of the question.
    """
    match node:
        case Ids() | Compartment():
            return NARROW
        case Param():
            return _rank_of_param(node)
        case Composite(types=types):
            return FEW if types[0] == "reference" else MANY
        case Or(items) if items:
            ranks = [best(criteria(item), kind) for item in items]
            return None if None in ranks else max(FEW, *(r for r in ranks if r is not None))
        case Chain(_, _, ((target, where),)) if _is_plain(target):
            far = best(criteria(where), target)
            return None if far is None else max(FEW, far)
        case Has(source, _, where) if _is_plain(kind) and _is_plain(source):
            far = best(criteria(where), source)
            return None if far is None else max(FEW, far)
    return None


def _rank_of_param(node: Param) -> int:
    if node.type == "reference" and len(node.tests) == 1:
        test = node.tests[0]
        if test.form == "target":
            # In a shape the target is a slot: the type of the parameter must do.
            kind = test.values[0]
            shared = kind in _SHARED_TARGETS or kind == 0
            return FEW if isinstance(kind, Slot) or shared else NARROW
        if test.form == "id" and node.code in ("patient", "subject", "encounter"):
            return NARROW
        return FEW
    if node.code == "identifier":
        return NARROW
    if (node.code, node.type) == ("url", "uri") and len(node.tests) == 1:
        # A canonical is one definition's and its versions'.
        return NARROW if node.tests[0].form == "is" else SOME
    return SOME if node.type in ("reference", "string", "uri") else MANY


def best(items: Sequence[Expression], kind: int) -> int | None:
    """The rank of the narrowest; None where there is none to start from."""
    ranks = [rank(item, kind) for item in items]
    return min((r for r in ranks if r is not None), default=None)


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
