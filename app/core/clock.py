"""Time, injected. An instant is an ``int``: microseconds since the Unix epoch, UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
MILLISECOND = SECOND // 1000


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """Microseconds since the epoch, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Microseconds since the epoch, UTC."""
        return time.time_ns() // 1_000


def format_instant(micros: int) -> str:
    """A FHIR ``instant`` in UTC with milliseconds: ``2026-11-25T20:00:00.123Z``."""
    moment = EPOCH + timedelta(microseconds=micros)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
