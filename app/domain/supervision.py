"""A therapist's caseload for whoever supervises it: how clients differ, and how the therapist does.

How scores move within clients and how clients differ come first, since most of what there is lies
there. The therapist's distance from the clinic is told only as far as it is known: shrunken, with
its interval, among at least three therapists, so that nobody's is another's turned round. Raw means
are not told: they would be ranked, and nothing but chance might be in the ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from app.domain.measure import ZERO, mean, sample_sd, settle, squares

THERAPISTS = 3
_Z = Decimal("1.96")


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


class Client(NamedTuple):
    """What is published of a client: the mean, of how many scores, and how far these lie from it.

    ``squares`` is the sum of the squared distances.
    """

    mean: Decimal
    scores: int
    squares: Decimal


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one caseload, in units of the scale.

    ``within`` is the pooled standard deviation of scores about their client's mean, absent where
    nobody has two; ``between`` that of the clients' means; ``effect`` the therapist's, absent where
    too few others can be compared with.
    """

    clients: int
    within: Decimal | None
    between: Decimal
    effect: Effect | None


def published(scores: Mapping[str, Sequence[Decimal]]) -> Mapping[str, Client]:
    """What to publish of each client who has a score."""
    found = decompose(scores)
    if found is None:
        return {}
    return {
        client: Client(
            settle(found.grand + between),
            len(found.within[client]),
            settle(sum((distance**2 for distance in found.within[client]), ZERO)),
        )
        for client, between in found.between.items()
    }


def summary(therapist: str, caseloads: Mapping[str, Mapping[str, Client] | None]) -> Summary | None:
    """The figures of a therapist among others; none where their caseload may not be told of.

    ``caseloads`` is what was released of each therapist's clients, of several or not at all.
    """
    told = {name: clients for name, clients in caseloads.items() if clients is not None}
    if therapist not in told:
        return None
    means = {name: [each.mean for each in clients.values()] for name, clients in told.items()}
    mine = list(told[therapist].values())
    spare = sum(each.scores - 1 for each in mine)
    effects = shrink(means) if len(told) >= THERAPISTS else None
    return Summary(
        clients=len(mine),
        within=(sum((each.squares for each in mine), ZERO) / spare).sqrt() if spare else None,
        between=sample_sd(means[therapist]),
        effect=effects[therapist] if effects else None,
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
