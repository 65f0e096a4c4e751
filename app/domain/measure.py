"""The shared words of measurement: exact decimals, their mean, spread and line.

Binary floats never appear: 32.3 to 31.3 is a drop of 1.0 exactly. Quotients and roots carry 28
digits; a comparison with a threshold is made at ten decimals, so that the last digit of a mean
neither raises an alert nor hides one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from app.core.errors import AppError, Category, Issue
from app.fhir.json import Number, to_decimal

T = TypeVar("T")

ZERO = Decimal(0)
_SETTLED = Decimal("1e-10")
_LARGEST = Decimal(10) ** 12
_TENTH = Decimal("0.1")


class Direction(StrEnum):
    """Which way is better."""

    HIGHER = "higher"
    LOWER = "lower"


class Rater(StrEnum):
    """Whose view a score is; codes of ``/CodeSystem/rater``."""

    CLIENT = "client"
    THERAPIST = "therapist"
    OBSERVER = "observer"


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a session; sessions count from 1."""

    session: int
    value: Decimal


def settle(value: Decimal) -> Decimal:
    """The value at ten decimals, to be compared with a threshold."""
    return value.quantize(_SETTLED, ROUND_HALF_EVEN)


def implausible(place: str, *values: Decimal | None) -> list[Issue]:
    """An issue where a value is too large to be a score, and so to be computed with safely."""
    if any(value is not None and abs(value) > _LARGEST for value in values):
        return [Issue("value", "a value is out of any range", place)]
    return []


def for_people(value: Decimal) -> Decimal:
    """The value at one decimal, halves away from zero; only ever for display."""
    return value.quantize(_TENTH, ROUND_HALF_UP)


def mean(values: Sequence[Decimal]) -> Decimal:
    """The arithmetic mean of at least one value."""
    return sum(values, ZERO) / len(values)


def squares(values: Sequence[Decimal]) -> Decimal:
    """The sum of squared deviations from the mean."""
    centre = mean(values)
    return sum(((value - centre) ** 2 for value in values), ZERO)


def sample_sd(values: Sequence[Decimal]) -> Decimal:
    """The sample standard deviation (n - 1) of at least two values."""
    return (squares(values) / (len(values) - 1)).sqrt()


class Spread:
    """Mean and sample standard deviation of values as they come (Welford 1962)."""

    __slots__ = ("_squares", "count", "mean")

    def __init__(self) -> None:
        self.count = 0
        self.mean = ZERO
        self._squares = ZERO

    def add(self, value: Decimal) -> None:
        """Take one more value in."""
        self.count += 1
        distance = value - self.mean
        self.mean += distance / self.count
        self._squares += distance * (value - self.mean)

    @property
    def sd(self) -> Decimal:
        """The sample standard deviation (n - 1) of at least two values."""
        return (self._squares / (self.count - 1)).sqrt()


def mean_moving_range(values: Sequence[Decimal]) -> Decimal:
    """The mean distance between neighbours, of at least two values."""
    return mean([abs(after - before) for before, after in pairwise(values)])


@dataclass(frozen=True, slots=True)
class Line:
    """A least-squares line; ``slope`` is per unit of x."""

    slope: Decimal
    intercept: Decimal

    def at(self, x: Decimal) -> Decimal:
        """The fitted value at x."""
        return self.intercept + self.slope * x


def fit(xs: Sequence[Decimal], ys: Sequence[Decimal]) -> Line | None:
    """The least-squares line through the pairs; none where x does not vary."""
    if len(xs) < 2 or (spread := squares(xs)) == 0:
        return None
    centre_x, centre_y = mean(xs), mean(ys)
    slope = products(xs, ys) / spread
    return Line(slope, centre_y - slope * centre_x)


def products(xs: Sequence[Decimal], ys: Sequence[Decimal]) -> Decimal:
    """The sum of products of deviations from the means."""
    centre_x, centre_y = mean(xs), mean(ys)
    pairs = zip(xs, ys, strict=True)
    return sum(((x - centre_x) * (y - centre_y) for x, y in pairs), ZERO)


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def read(shape: type[T], members: Mapping[str, Any], place: str = "") -> T:
    """A frozen dataclass made from the members of a definition that a clinic may have written.

    Raises ``unprocessable`` with every member that is missing or wrong; ``place`` leads their
    expressions. What a definition says beyond the fields of the dataclass is left alone.
    """
    try:
        result: T = _adapter(cast("Any", shape)).validate_python(_exact(members))
    except ValidationError as error:
        raise AppError(
            Category.UNPROCESSABLE,
            [
                Issue(
                    "required" if problem["type"] == "missing" else "value",
                    problem["msg"],
                    _expression(place, problem["loc"]),
                )
                for problem in error.errors(include_url=False, include_input=False)
            ],
        ) from None
    return result


def _exact(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _exact(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_exact(child) for child in value]
    return to_decimal(value) if isinstance(value, Number) else value


def _expression(place: str, steps: Iterable[int | str]) -> str:
    path = place
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path
