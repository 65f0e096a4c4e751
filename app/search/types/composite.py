"""composite: several components of one and the same value, ``component$component``.

https://hl7.org/fhir/R4/search.html#composite. Each component is indexed as its own type says;
``position`` says which value it is of, and ties the components together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import ColumnElement, FromClause, and_, or_, select

from app.search.escapes import split
from app.search.expression import Composite, Expression, Param, Test
from app.search.types import Asked, Refused
from app.search.values import Columns

# Reads the text of one component, by its position.
ReadComponent = Callable[[int, str], Expression]
# Tests the rows of one component's index.
PassesComponent = Callable[[int, Columns, Test], ColumnElement[bool]]


def read(texts: Sequence[str], asked: Asked, read_component: ReadComponent) -> Composite:
    """The alternatives, each with the tests of all its components."""
    components = asked.parameter.components
    alternatives = []
    for text in texts:
        parts = split(text, "$")
        if len(parts) != len(components) or not all(parts):
            raise Refused(f"does not have {len(components)} components")
        read_parts = [read_component(number, part) for number, part in enumerate(parts)]
        alternatives.append(tuple(p.tests for p in read_parts if isinstance(p, Param)))
    types = tuple(component.type for component in components)
    return Composite(asked.kind, asked.parameter.code, types, tuple(alternatives))


def predicate(
    node: Composite,
    indexes: Sequence[FromClause],
    passes: PassesComponent,
    *,
    joined: Callable[[FromClause], ColumnElement[bool]],
    params: Sequence[ColumnElement[int]],
) -> ColumnElement[bool]:
    """Whether the components of one value pass; ``indexes`` are aliases, one a component.

    ``joined`` ties an index to the resource row, ``params`` are the components' numbers.
    """
    first, *others = indexes
    conditions = [
        and_(joined(index), index.c.param == param)
        for index, param in zip(indexes, params, strict=True)
    ]
    same = [index.c.position == first.c.position for index in others]
    alternatives = [
        and_(
            *(
                or_(*(passes(number, indexes[number].c, test) for test in tests))
                for number, tests in enumerate(each)
            )
        )
        for each in node.alternatives
    ]
    found = select(first.c.rid).select_from(*indexes)
    return found.where(*conditions, *same, or_(*alternatives)).correlate_except(*indexes).exists()
