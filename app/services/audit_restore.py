"""A deliberate restore of the database: said in the log, and taken as such by whoever verifies.

A database that was set back contradicts the copies of its checkpoints, and the log signs no
more. Whoever restored it says so and why; what the copies saw beyond is named in a record, for
good. Nothing else is forgiven: another contradiction still stops the log.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from app.core.errors import AppError, Category
from app.domain.transparency import NoteRefused
from app.repositories.audit_log import THE_LOG
from app.repositories.audit_tree import AuditTree
from app.repositories.unit_of_work import UnitsOfWork
from app.services.audit import HOME, AuditTrail
from app.services.audit_copies import Copy
from app.services.audit_keys import opened

KIND = "log-restored"


class Seen(Protocol):
    """A checkpoint: so many leaves, and their root."""

    @property
    def size(self) -> int:
        """How many leaves."""
        ...

    @property
    def root(self) -> bytes:
        """Their root."""
        ...


@dataclass(frozen=True, slots=True)
class Restore:
    """The log went on from ``start`` leaves; a copy had seen ``size`` with this root."""

    start: int
    size: int
    root: bytes
    reason: str

    def covers(self, seen: Seen) -> bool:
        """Whether a checkpoint is the one that was given up."""
        return (seen.size, seen.root) == (self.size, self.root)


async def restores(tree: AuditTree) -> list[Restore]:
    """Every restore that the log tells of."""
    found = []
    for detail in await tree.details(KIND):
        said = orjson.loads(detail)
        root = base64.b64decode(said["root"])
        found.append(Restore(int(said["start"]), int(said["size"]), root, said["reason"]))
    return found


async def accept_restore(
    units: UnitsOfWork, trail: AuditTrail, copies: Sequence[Copy], *, reason: str
) -> list[Restore]:
    """Records that the copies which contradict the database were given up; gives what was.

    Raises ``conflict`` where a copy is of another log: no restore explains that.
    """
    if not reason.strip():
        raise AppError.of(Category.INVALID, "required", "a restore is accepted with a reason")
    accepted: list[Restore] = []
    async with units.database.read(THE_LOG) as connection:
        tree = AuditTree(connection)
        keys, last, size = await tree.keys(), await tree.checkpoint(), await tree.size()
        known = await restores(tree)
        for copy in copies:
            note = await copy.last()
            if note is None:
                continue
            try:
                seen = opened(note, keys)
            except NoteRefused:
                seen = None
            if seen is None:
                raise AppError.of(Category.CONFLICT, "conflict", f"{copy.name} is of another log")
            fits = seen.size <= size and seen.root == await tree.root(seen.size)
            if fits or any(each.covers(seen) for each in [*known, *accepted]):
                continue
            start = last.size if last else 0
            if start >= seen.size:  # two logs of one length: no restore makes that
                raise AppError.of(Category.CONFLICT, "conflict", f"{copy.name} is of another log")
            accepted.append(Restore(start, seen.size, seen.root, reason))
    await units.audit.write(
        [
            trail.internal(
                KIND,
                tenant=HOME,
                detail={
                    "start": str(each.start),
                    "size": str(each.size),
                    "root": base64.b64encode(each.root).decode(),
                    "reason": each.reason,
                },
            )
            for each in accepted
        ]
    )
    return accepted
