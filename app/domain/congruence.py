"""How far two views of the same sessions agree.

Client and therapist by the truth-and-bias view of West and Kenny: ``bias`` is how much lower or
higher the therapist rates on average, ``slope`` how far the therapist's ratings follow the
client's (centred at the client's mean), ``correlation`` how closely. Ratings of different raters
are compared, never averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.domain.measure import ZERO, fit, mean, products, squares


@dataclass(frozen=True, slots=True)
class Pair:
    """One session that both rated; sessions count from 1."""

    session: int
    left: Decimal
    right: Decimal

    @property
    def gap(self) -> Decimal:
        """The distance between both."""
        return abs(self.left - self.right)

    @property
    def lower(self) -> Decimal:
        """The lower of both."""
        return min(self.left, self.right)


@dataclass(frozen=True, slots=True)
class Congruence:
    """Agreement of two raters over the sessions that both rated.

    All are in units of the scale but ``slope`` and ``correlation``; absent where the pairs are too
    few or do not vary.
    """

    bias: Decimal | None
    slope: Decimal | None
    correlation: Decimal | None
    mean_absolute_gap: Decimal | None
    pairs: tuple[Pair, ...]


def pair(
    left: Mapping[int, Decimal | None], right: Mapping[int, Decimal | None]
) -> tuple[Pair, ...]:
    """The sessions that both rated, in order."""
    both = sorted(left.keys() & right.keys())
    return tuple(
        Pair(session, one, other)
        for session in both
        if (one := left[session]) is not None and (other := right[session]) is not None
    )


def congruence(pairs: Sequence[Pair]) -> Congruence:
    """Agreement over pairs of client (left) and therapist (right)."""
    if not pairs:
        return Congruence(None, None, None, None, ())
    client = [each.left for each in pairs]
    therapist = [each.right for each in pairs]
    line = fit(client, therapist)
    spread = squares(client) * squares(therapist) if len(pairs) > 1 else ZERO
    return Congruence(
        bias=mean(therapist) - mean(client),
        slope=line.slope if line else None,
        correlation=products(client, therapist) / spread.sqrt() if spread > 0 else None,
        mean_absolute_gap=mean([each.gap for each in pairs]),
        pairs=tuple(pairs),
    )
