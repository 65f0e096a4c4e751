"""Figures about many clients that tell nothing about one.

A cell with fewer than five clients is suppressed. Two releases may differ in one client only, and
their difference would be that client: so a release is compared with all earlier ones of its cell,
and held back until it differs from each by nobody or by at least five clients. A client whose own
value changed counts as different. Cells that add up to each other, as an instrument's scales do,
are released together and over the same clients: else what one tells of five clients and the others
of six is the sixth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from app.domain.measure import mean, sample_sd

V = TypeVar("V")  # what is published of one client

LEAST = 5


@dataclass(frozen=True, slots=True)
class Cell:
    """What may be published of one cell; without figures where it is suppressed."""

    suppressed: bool
    n: int | None = None
    mean: Decimal | None = None
    sd: Decimal | None = None


SUPPRESSED = Cell(suppressed=True)


def differ(one: Mapping[str, V], other: Mapping[str, V]) -> int:
    """How many clients are in one release only, or have another value in the other."""
    return sum(one.get(client) != other.get(client) for client in one.keys() | other.keys())


def release(
    values: Mapping[str, V], earlier: Iterable[Mapping[str, V]] = ()
) -> Mapping[str, V] | None:
    """What to publish of a cell, with one value per client.

    ``values`` where that is safe next to every earlier release; else the newest earlier release
    again; none where there is none, or the cell is too small. ``earlier`` is in order.
    """
    published = [each for each in earlier if len(each) >= LEAST]
    if len(values) >= LEAST and not any(0 < differ(values, each) < LEAST for each in published):
        return values
    return published[-1] if published else None


def release_together(
    values: Mapping[str, Mapping[str, V]], earlier: Mapping[str, Sequence[Mapping[str, V]]]
) -> Mapping[str, Mapping[str, V] | None]:
    """What to publish of cells that can be computed from each other, by their names.

    All as they are now, where ``release`` allows each; else all as they were last.
    """
    now = {name: release(each, earlier.get(name, ())) for name, each in values.items()}
    if all(told is None or told is values[name] for name, told in now.items()):
        return now
    return {name: release({}, earlier.get(name, ())) for name in values}


def cell(values: Mapping[str, Decimal] | None) -> Cell:
    """The figures of a release, one value per client."""
    if values is None or len(values) < LEAST:
        return SUPPRESSED
    figures = list(values.values())
    return Cell(suppressed=False, n=len(figures), mean=mean(figures), sd=sample_sd(figures))
