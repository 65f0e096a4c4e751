"""How often one caller may ask: a bucket of tokens each, in this process."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from app.core.errors import AppError, Category

_REMEMBERED = 10_000  # callers; whoever asked longest ago is forgotten first


class Throttle:
    """Lets ``rate`` requests a second through for each caller, and twice that at once."""

    def __init__(self, rate: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._most = max(1.0, 2 * rate)
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, caller: str) -> None:
        """Counts a request; raises THROTTLED past the limit, with the seconds to wait."""
        now = self._now()
        left, at = self._buckets.pop(caller, (self._most, now))
        left = min(self._most, left + (now - at) * self._rate)
        is_allowed = left >= 1
        self._buckets[caller] = (left - is_allowed, now)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        if not is_allowed:
            raise AppError.of(
                Category.THROTTLED,
                "throttled",
                "too many requests; try again later",
                retry_after=max(1, math.ceil((1 - left) / self._rate)),
            )
