"""date: intervals, since a date is as long as its precision says.

https://hl7.org/fhir/R4/search.html#date. Every indexed value and every value asked for is a
half-open interval ``[low, high)`` of microseconds; an open end of a Period is the end of time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from app.db.tables.indexes import idx_date
from app.fhir.json import JSON
from app.fhir.paths.nodes import Node
from app.fhir.primitives import date_range
from app.search import prefixes
from app.search.escapes import unescape
from app.search.expression import Expression, Test
from app.search.types import Asked, Refused, Row
from app.search.values import Columns, bound

INDEXES = {"": idx_date}
MODIFIERS: frozenset[str] = frozenset()
ORDER = "low"

BEGINNING, END = -(2**62), 2**62


def extract(nodes: Iterable[Node], base: str) -> Iterator[Row]:
    """One row for each date, Period or Timing; of a Timing its outer limits."""
    for node in nodes:
        interval = _interval(node.value)
        if interval is not None:
            yield "", interval


def _interval(value: JSON) -> tuple[int, int] | None:
    if isinstance(value, str):
        try:
            return date_range(value)
        except ValueError:
            return None
    if not isinstance(value, dict):
        return None
    if "event" in value or "repeat" in value:
        return _timing(value)
    start, end = _interval(value.get("start")), _interval(value.get("end"))
    if start is None and end is None:
        return None
    return (start[0] if start else BEGINNING, end[1] if end else END)


def _timing(value: JSON) -> tuple[int, int] | None:
    repeat = value.get("repeat")
    bounds = repeat.get("boundsPeriod") if isinstance(repeat, dict) else None
    found = [_interval(each) for each in (*(value.get("event") or ()), bounds)]
    intervals = [interval for interval in found if interval]
    if not intervals:
        return None
    return min(low for low, _ in intervals), max(high for _, high in intervals)


def read(texts: Sequence[str], modifier: str, asked: Asked) -> Expression:
    """Intervals with their prefixes."""
    return asked.param(tests(texts, asked.now))


def tests(texts: Iterable[str], now: int) -> tuple[Test, ...]:
    """The intervals asked for; ``now`` decides how near ``ap`` is."""
    found = []
    for text in texts:
        # A plus sign that was not encoded arrives as a space.
        prefix, date = prefixes.split(unescape(text).replace(" ", "+"))
        try:
            low, high = date_range(date)
        except ValueError:
            raise Refused("is not a date") from None
        if prefix == "ap":
            margin = abs(now - (low + high) // 2) // 10
            low, high = low - margin, high + margin
        found.append(Test(prefix, (low, high)))
    return tuple(found)


def predicate(rows: Columns, test: Test) -> ColumnElement[bool]:
    """Whether a row of the date index passes."""
    low, high = (bound(value, rows.low) for value in test.values)
    return _INTERVALS[test.form](rows, low, high)


def instant(column: ColumnElement[Any], test: Test) -> ColumnElement[bool]:
    """Whether an instant passes: an interval of one microsecond."""
    low, high = (bound(value, column) for value in test.values)
    return _INSTANTS[test.form](column, low, high)


_Operand = ColumnElement[Any]
_Comparison = Callable[[Any, _Operand, _Operand], ColumnElement[bool]]
# Where one column alone does not decide, a bound that follows from both is there for the index.
_INTERVALS: dict[str, _Comparison] = {
    "eq": lambda r, low, high: and_(r.low >= low, r.low < high, r.high <= high),
    "ne": lambda r, low, high: or_(r.low < low, r.high > high),
    "ap": lambda r, low, high: and_(r.low < high, r.high > low),
    "gt": lambda r, _, high: r.high > high,
    "ge": lambda r, low, high: and_(r.high > low, or_(r.low >= low, r.high > high)),
    "lt": lambda r, low, _: r.low < low,
    "le": lambda r, low, high: and_(r.low < high, or_(r.low < low, r.high <= high)),
    "sa": lambda r, _, high: r.low >= high,
    "eb": lambda r, low, _: r.high <= low,
}
_INSTANTS: dict[str, _Comparison] = {
    "eq": lambda at, low, high: and_(at >= low, at < high),
    "ne": lambda at, low, high: or_(at < low, at >= high),
    "ap": lambda at, low, high: and_(at >= low, at < high),
    "gt": lambda at, _, high: at >= high,
    "ge": lambda at, low, _: at >= low,
    "lt": lambda at, low, _: at < low,
    "le": lambda at, _, high: at < high,
    "sa": lambda at, _, high: at >= high,
    "eb": lambda at, low, _: at < low,
}
