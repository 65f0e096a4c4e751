"""number: compared exactly; without a prefix, within the precision that it is written with.

https://hl7.org/fhir/R4/search.html#number. ``100`` is 99.5 up to 100.5, ``100.00`` is 99.995
up to 100.005; with a prefix other than ``ne`` and ``ap`` the number is taken as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import ColumnElement

from app.db.tables.indexes import idx_quantity
from app.fhir.json import is_decimal, to_decimal
from app.fhir.paths.nodes import Node
from app.search import numbers
from app.search.escapes import unescape
from app.search.expression import Expression, Test
from app.search.tokens import NO_SYSTEM
from app.search.types import Asked, Refused, Row
from app.search.values import Columns

INDEXES = {"": idx_quantity}
MODIFIERS: frozenset[str] = frozenset()
ORDER = "low"


def extract(nodes: Iterable[Node], base: str) -> Iterator[Row]:
    """One row for each number."""
    for node in nodes:
        if is_decimal(node.value):
            number = numbers.encode(to_decimal(node.value))
            yield "", (number, number, "", NO_SYSTEM)


def read(texts: Sequence[str], modifier: str, asked: Asked) -> Expression:
    """Ranges of numbers."""
    try:
        return asked.param(tuple(Test(*numbers.read(unescape(text))) for text in texts))
    except ValueError as error:
        raise Refused(str(error)) from None


def predicate(rows: Columns, test: Test) -> ColumnElement[bool]:
    """Whether a row of the quantity index passes."""
    return numbers.compare(rows, test.form, test.values)
