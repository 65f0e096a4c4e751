"""What was read out of stored versions, kept for the next time that they are found.

A version never changes, so what was read out of it stays true. Only the reading is saved: whether
a version is found at all is asked of the database each time, for whoever asks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

from app.search.found import Found

T = TypeVar("T")

Key: TypeAlias = tuple[int, int, int]  # tenant, row, version


class Recall(Generic[T]):
    """Reads each version once, as long as it is among the ``most`` that were used last."""

    def __init__(self, read: Callable[[Found], T], *, most: int) -> None:
        self.read = read
        self._most = most
        self._kept: OrderedDict[Key, T] = OrderedDict()

    def of(self, key: Key, find: Callable[[], Found]) -> T:
        """What a version says; ``find`` opens it where that is not known."""
        kept = self._kept
        if key in kept:
            kept.move_to_end(key)
            return kept[key]
        read = kept[key] = self.read(find())
        if len(kept) > self._most:
            kept.popitem(last=False)
        return read
