"""What was measured, held against its goal: one table for people, one JSON object for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a value must keep."""

    side: Literal["at least", "at most"]
    bound: float

    def met(self, value: float) -> bool:
        """Whether a value keeps it."""
        return value >= self.bound if self.side == "at least" else value <= self.bound

    def __str__(self) -> str:
        return f"{self.side} {self.bound:g}"


def at_least(bound: float) -> Goal:
    """A goal that larger values meet."""
    return Goal("at least", bound)


def at_most(bound: float) -> Goal:
    """A goal that smaller values meet."""
    return Goal("at most", bound)


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure. ``reference`` says what a ratio is a ratio of; ``met`` is None without a goal."""

    name: str
    database: str
    workers: int
    value: float
    unit: str
    reference: str = ""
    goal: str | None = None
    met: bool | None = None


def measure(
    name: str, database: str, workers: int, value: float, unit: str, *,
    reference: str = "", goal: Goal | None = None,
) -> Measure:  # fmt: skip
    """A figure, and whether it meets its goal."""
    value = float(f"{value:.4g}")
    text, met = (None, None) if goal is None else (str(goal), goal.met(value))
    return Measure(name, database, workers, value, unit, reference, text, met)


_HEADS = ("measure", "database", "workers", "figure", "unit", "of", "goal", "")


def table(measures: Iterable[Measure]) -> str:
    """The measures in columns, goal and figure side by side."""
    rows = [_HEADS, *(_row(each) for each in measures)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(each: Measure) -> tuple[str, ...]:
    verdict = {None: "", True: "met", False: "MISSED"}[each.met]
    workers = str(each.workers) if each.workers else ""
    return (
        *(each.name, each.database, workers, f"{each.value:g}", each.unit, each.reference),
        *(each.goal or "", verdict),
    )


def line(measures: Sequence[Measure]) -> str:
    """The measures as one JSON object on one line."""
    return json.dumps({"measures": [asdict(each) for each in measures]})


def tell(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)
