"""How far two views of the same sessions agree, and how persons and therapists differ.

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

_Z = Decimal("1.96")


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


@dataclass(frozen=True, slots=True)
class Decomposition:
    """Scores split into differences between persons and changes within them.

    ``grand`` is the mean of the persons' means, so ``between`` sums to zero over persons, as
    ``within`` does for each person.
    """

    grand: Decimal
    between: Mapping[str, Decimal]
    within: Mapping[str, tuple[Decimal, ...]]


@dataclass(frozen=True, slots=True)
class Effect:
    """A therapist's distance from the mean of all, shrunken by how little is known of it.

    ``reliability`` is the share of the raw distance that is kept; ``low`` and ``high`` are the
    ends of the 95 % interval. Where the interval holds zero, nothing sets the therapist apart.
    """

    raw: Decimal
    shrunken: Decimal
    reliability: Decimal
    low: Decimal
    high: Decimal


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


def decompose(scores: Mapping[str, Sequence[Decimal]]) -> Decomposition | None:
    """Split the scores of persons; those without a score are left out, none at all gives none."""
    centres = {person: mean(values) for person, values in scores.items() if values}
    if not centres:
        return None
    grand = mean(list(centres.values()))
    return Decomposition(
        grand=grand,
        between={person: centre - grand for person, centre in centres.items()},
        within={
            person: tuple(value - centre for value in scores[person])
            for person, centre in centres.items()
        },
    )


def shrink(clients: Mapping[str, Sequence[Decimal]]) -> Mapping[str, Effect] | None:
    """The effect of each therapist on the mean scores of their clients.

    ``clients`` holds one value per client, by therapist. A one-way random-effects model, its
    variances by the method of moments; none with fewer than two therapists, or with no therapist
    who has two clients. For supervision, never for a ranking.
    """
    groups = {name: list(values) for name, values in clients.items() if values}
    total = sum(len(values) for values in groups.values())
    if len(groups) < 2 or total <= len(groups):
        return None
    grand = mean([value for values in groups.values() for value in values])
    within = sum((squares(values) for values in groups.values()), ZERO) / (total - len(groups))
    distances = {name: mean(values) - grand for name, values in groups.items()}
    between = sum(
        (len(groups[name]) * distance**2 for name, distance in distances.items()), ZERO
    ) / (len(groups) - 1)
    sizes = sum((Decimal(len(values) ** 2) for values in groups.values()), ZERO)
    typical = (total - sizes / total) / (len(groups) - 1)
    variance = max(ZERO, (between - within) / typical)
    return {
        name: _effect(distance, len(groups[name]), variance=variance, noise=within)
        for name, distance in distances.items()
    }


def _effect(raw: Decimal, size: int, *, variance: Decimal, noise: Decimal) -> Effect:
    whole = variance + noise / size
    kept = variance / whole if whole > 0 else ZERO
    margin = _Z * (variance * (1 - kept)).sqrt()
    shrunken = kept * raw
    return Effect(raw, shrunken, kept, shrunken - margin, shrunken + margin)
