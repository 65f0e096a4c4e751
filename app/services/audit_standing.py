"""How the log stands: the newest checkpoint, whether it holds, and where copies are.

Quick enough for every page of the console: the root is recomputed from kept subtrees, not from
every leaf. ``audit_verification.py`` reads the whole log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.clock import SECOND, Clock
from app.domain.transparency import NoteRefused
from app.repositories.audit_log import THE_LOG
from app.repositories.audit_stored import StoredLogKey, TreeDamaged
from app.repositories.audit_tree import AuditTree
from app.repositories.unit_of_work import UnitsOfWork
from app.services.audit_copies import Copy
from app.services.audit_keys import opened

_LATE = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Standing:
    """``size`` and ``at`` (microseconds) are the newest checkpoint's; problems are codes.

    ``none``: there is no checkpoint; ``root``: it is not the log's own or does not match the
    tree; ``late``: records wait for too long; ``copy``: a copy contradicts the tree;
    ``set-back``: a copy has seen more.
    """

    size: int = 0
    at: int = 0
    problems: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether everything fits."""
        return not self.problems


async def standing(units: UnitsOfWork, copies: Sequence[Copy], *, clock: Clock) -> Standing:
    """The log's standing now."""
    problems: list[str] = []
    async with units.database.read(THE_LOG) as connection:
        tree = AuditTree(connection)
        keys, newest = await tree.keys(), await tree.checkpoint()
        if newest is None:
            return Standing(problems=("none",))
        if await tree.is_waiting() and clock.now() - newest.recorded > _LATE:
            problems.append("late")
        if not await _holds(tree, newest.note, keys):
            problems.append("root")
        for place in copies:
            problems += await _against(tree, place, keys)
    return Standing(newest.size, newest.recorded, tuple(dict.fromkeys(problems)))


async def _holds(tree: AuditTree, note: str, keys: list[StoredLogKey]) -> bool:
    try:
        seen = opened(note, keys)
        return seen is not None and await tree.root(seen.size) == seen.root
    except (NoteRefused, TreeDamaged):
        return False


async def _against(tree: AuditTree, place: Copy, keys: list[StoredLogKey]) -> list[str]:
    try:
        note = await place.last()
        seen = opened(note, keys) if note is not None else None
    except (OSError, NoteRefused):
        return ["copy"]
    if note is None:
        return []
    if seen is None:
        return ["copy"]
    if seen.size > await tree.size():
        return ["set-back"]
    return [] if await _holds(tree, note, keys) else ["copy"]
