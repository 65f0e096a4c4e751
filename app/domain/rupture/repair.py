"""How a drop went on: whether the score came back.

A rule that looks back to a level, of the session before or of a baseline, has its drop repaired
when a score is back within ``tolerance`` of that level: to be inside the limit again is less than
to be back. A cut-off has no level, so there a score on its good side will do; tension that was told
is over when a session is told of without it. What a score is held against was fixed when the flag
was raised, so a verdict never changes. Only a V episode is ever unrepaired by itself: its shape has
an end, ``window`` sessions on. The other flags stay open until the score is back or a person ends
them, since what nobody looked at must not pass.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TypeAlias

from app.domain.measure import Point, settle
from app.domain.rupture.model import Flag, Parameters, Repair, Rule

Back: TypeAlias = Callable[[Decimal], bool]

_FROM_A_LEVEL = frozenset(
    (
        Rule.STEP_DROP,
        Rule.STRICTER_OF_TWO,
        Rule.RELIABLE_DROP,
        Rule.TRAILING_BASELINE,
        Rule.CONTROL_CHART,
    )
)


def returned(later: Sequence[Point], back: Back) -> int | None:
    """The place of the first score that is back."""
    return next((place for place, point in enumerate(later) if back(point.value)), None)


def back_to(level: Decimal, tolerance: Decimal) -> Back:
    """Whether a score is back within reach of a level."""
    border = settle(level - tolerance)
    return lambda value: settle(value) >= border


def noticed(rule: Rule, flag: Flag, points: Sequence[Point], given: Parameters) -> Flag:
    """The flag with what became of it; as it is where its rule tells by itself, or is not live."""
    back = _back(rule, flag, given)
    if back is None:
        return flag
    later = points[bisect_right(points, flag.session, key=lambda point: point.session) :]
    place = returned(later, back)
    if place is None:
        return replace(flag, status=Repair.OPEN)
    return replace(flag, status=Repair.REPAIRED, repaired_at=later[place].session)


def _back(rule: Rule, flag: Flag, given: Parameters) -> Back | None:
    limit, tolerance = settle(flag.limit), given.tolerance
    if rule in _FROM_A_LEVEL and flag.pre is not None:
        return back_to(flag.pre, tolerance)
    if rule is Rule.BELOW_CUTOFF:
        if given.inclusive:
            return lambda value: settle(value) > limit
        return back_to(flag.limit, Decimal(0))
    if rule is Rule.SELF_REPORT:
        return lambda value: value < limit
    if rule is Rule.CONGRUENCE_GAP and flag.pre is not None:
        narrow = settle(flag.pre + tolerance)
        return lambda value: settle(abs(value)) <= narrow
    return None
