"""The ten rules. Each yields every session it could judge, with a flag where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from app.domain.measure import ZERO, Point, Spread, fit, mean, mean_moving_range, settle
from app.domain.rupture.model import Flag, Parameters, Repair, Rule
from app.domain.rupture.repair import back_to, returned

Judgement: TypeAlias = tuple[int, Flag | None]

# Three sigma of an individuals chart: 3 / 1.128, the mean range of two normal values.
_CHART = Decimal("2.66")


def _below(
    point: Point, limit: Decimal, *, inclusive: bool, pre: Decimal | None = None
) -> Judgement:
    value, border = settle(point.value), settle(limit)
    low = value <= border if inclusive else value < border
    return point.session, Flag(point.session, limit, pre) if low else None


def _below_cutoff(points: Sequence[Point], given: Parameters) -> Iterator[Judgement]:
    for point in points:
        yield _below(point, _needed(given.cutoff), inclusive=given.inclusive)


def _step_drop(points: Sequence[Point], given: Parameters) -> Iterator[Judgement]:
    yield from _drops(points, _needed(given.drop), "previous")


def _reliable_drop(points: Sequence[Point], given: Parameters) -> Iterator[Judgement]:
    yield from _drops(points, _needed(given.criterion), given.reference)


def _drops(points: Sequence[Point], drop: Decimal, reference: str) -> Iterator[Judgement]:
    if not points:
        return
    level = points[0].value
    for point in points[1:]:
        yield _below(point, level - drop, inclusive=True, pre=level)
        level = max(level, point.value) if reference == "maximum" else point.value


def _trailing_baseline(points: Sequence[Point], given: Parameters) -> Iterator[Judgement]:
    prior = Spread()
    for point in points:
        if prior.count >= given.minPrior:
            margin = max(_factor(given) * prior.sd, given.floor)
            yield _below(point, prior.mean - margin, inclusive=False, pre=prior.mean)
        prior.add(point.value)


def _control_chart(points: Sequence[Point], given: Parameters) -> Iterator[Judgement]:
    later = points[given.baseline :]
    if not later:
        return
    first = [point.value for point in points[: given.baseline]]
    factor = _CHART if given.k is None else given.k
    level = mean(first)
    limit = level - factor * mean_moving_range(first)
    for point in later:
        yield _below(point, limit, inclusive=False, pre=level)


def _stricter_of_two(points: Sequence[Point], given: Parameters) -> Iterator[Judgement]:
    prior, level = Spread(), ZERO
    for point in points:
        if prior.count >= given.minPrior:
            limit = level - _factor(given) * max(prior.sd, _needed(given.sdBetween))
            yield _below(point, limit, inclusive=True, pre=level)
        level = point.value
        prior.add(level)


def _retrospective_residual(points: Sequence[Point], given: Parameters) -> Iterator[Judgement]:
    xs = [Decimal(point.session) for point in points]
    line = fit(xs, [point.value for point in points]) if len(points) > 2 else None
    if line is None:
        return
    errors = (point.value - line.at(x) for point, x in zip(points, xs, strict=True))
    see = (sum((error**2 for error in errors), ZERO) / (len(points) - 2)).sqrt()
    for point, x in zip(points, xs, strict=True):
        yield _below(point, line.at(x) - _factor(given) * see, inclusive=False)


def _self_report(points: Sequence[Point], given: Parameters) -> Iterator[Judgement]:
    limit = Decimal(1) if given.cutoff is None else given.cutoff
    for point in points:
        yield point.session, Flag(point.session, limit) if point.value >= limit else None


def _congruence_gap(points: Sequence[Point], given: Parameters) -> Iterator[Judgement]:
    gaps = [Point(point.session, abs(point.value)) for point in points]
    for before, now in zip(gaps, gaps[given.window :], strict=False):
        limit = before.value + _needed(given.drop)
        wide = settle(now.value) >= settle(limit)
        yield now.session, Flag(now.session, limit, before.value) if wide else None


def _v_episode(points: Sequence[Point], given: Parameters) -> Iterator[Judgement]:
    drop = _needed(given.drop)
    level: Decimal | None = None
    place = 0
    while place < len(points):
        point = points[place]
        if level is None or settle(level - point.value) < settle(drop):
            if level is not None:
                yield point.session, None
            level = _level(level, point.value, given)
            place += 1
            continue
        episode, status = _episode(points[place : place + given.window + 1], level, given)
        repaired = status is Repair.REPAIRED
        yield (
            point.session,
            Flag(
                point.session,
                limit=level - drop,
                pre=level,
                status=status,
                nadir=min(part.value for part in episode),
                repaired_at=episode[-1].session if repaired else None,
            ),
        )
        for part in episode[1:]:
            yield part.session, None
        # What was not repaired is the level to fall from next; else the same drop, seen against
        # the old maximum, would be flagged again after every window.
        level = level if repaired else max(part.value for part in episode)
        level = _level(level, episode[-1].value, given)
        place += len(episode)


def _episode(
    window: Sequence[Point], pre: Decimal, given: Parameters
) -> tuple[Sequence[Point], Repair]:
    place = returned(window[1:], back_to(pre, given.tolerance))
    if place is not None:
        return window[: place + 2], Repair.REPAIRED
    return window, Repair.UNREPAIRED if len(window) > given.window else Repair.OPEN


def _level(level: Decimal | None, value: Decimal, given: Parameters) -> Decimal:
    if level is None or given.reference == "previous":
        return value
    return max(level, value)


def _factor(given: Parameters) -> Decimal:
    return Decimal(1) if given.k is None else given.k


def _needed(value: Decimal | None) -> Decimal:
    # Checked before a rule runs: it is refused without what it needs.
    return ZERO if value is None else value


RULES: Mapping[Rule, Callable[[Sequence[Point], Parameters], Iterator[Judgement]]] = {
    Rule.BELOW_CUTOFF: _below_cutoff,
    Rule.STEP_DROP: _step_drop,
    Rule.TRAILING_BASELINE: _trailing_baseline,
    Rule.CONTROL_CHART: _control_chart,
    Rule.V_EPISODE: _v_episode,
    Rule.STRICTER_OF_TWO: _stricter_of_two,
    Rule.RETROSPECTIVE_RESIDUAL: _retrospective_residual,
    Rule.RELIABLE_DROP: _reliable_drop,
    Rule.SELF_REPORT: _self_report,
    Rule.CONGRUENCE_GAP: _congruence_gap,
}
