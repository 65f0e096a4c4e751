"""composite: several components of one and the same value, ``component$component``.

https://hl7.org/fhir/R4/search.html#composite. Each component is indexed as its own type says;
``position`` says which value it is of, and ties the components together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import ColumnElement, FromClause, and_, or_

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


def conditions(
    node: Composite,
    indexes: Sequence[FromClause],
    passes: PassesComponent,
    *,
    params: Sequence[ColumnElement[int]],
) -> Iterator[ColumnElement[bool]]:
    """That index rows, one a component, are of one value and pass an alternative.

    ``params`` are the components' numbers. That the rows are of one resource is the caller's
    to say.
    """
    first, *others = indexes
    yield from (index.c.param == param for index, param in zip(indexes, params, strict=True))
    yield from (index.c.position == first.c.position for index in others)
    yield or_(
        *(
            and_(
                *(
                    or_(*(passes(number, indexes[number].c, test) for test in tests))
                    for number, tests in enumerate(each)
                )
            )
            for each in node.alternatives
        )
    )
