"""The sequencer: gives every record its leaf, signs what the tree has become, hands copies out.

Any process may take the role, one at a time has it (a lease), and the tree's own lock and keys
keep two from it. A checkpoint is signed only over leaves that are committed, so the log never
signs two that contradict each other; and not at all where a copy elsewhere shows that the
database was set back or exchanged.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from app.core.clock import SECOND, Clock
from app.db.engine import DatabaseBusy, Row, UniqueViolation
from app.domain.transparency import Frontier, NoteRefused, consistency_ranges
from app.fhir.audit.record import AuditRecord
from app.repositories.audit_log import THE_LOG
from app.repositories.audit_stored import StoredCheckpoint, TreeDamaged
from app.repositories.audit_tree import AuditTree
from app.repositories.leases import Role
from app.repositories.unit_of_work import UnitsOfWork
from app.services.audit import HOME, AuditTrail
from app.services.audit_copies import Behind, Copy
from app.services.audit_keys import LogKeys, opened
from app.services.audit_restore import restores
from app.services.audit_watch import AuditWatch

log = structlog.get_logger("rapport.audit")

LEASE = "audit-sequencer"
LEASE_MICROS = 10 * SECOND
WATCH_MICROS = 60 * SECOND
BATCH = 500
IDLE_SECONDS = 0.5
_SET_BACK = 300 * SECOND  # an older instant than this after a newer one is no race


class Diverged(Exception):
    """A copy shows another log than the database: it was set back, cut off or exchanged."""


@dataclass(slots=True)
class Place:
    """A copy, the size of its newest checkpoint, and why it is behind."""

    copy: Copy
    size: int | None = None
    trouble: str = ""


class Sequencer:
    """Sequences until it is stopped."""

    def __init__(
        self,
        units: UnitsOfWork,
        *,
        keys: LogKeys,
        trail: AuditTrail,
        clock: Clock,
        holder: str,
        copies: Sequence[Copy] = (),
        watch: AuditWatch | None = None,
    ) -> None:
        self._units = units
        self._keys = keys
        self._trail = trail
        self._clock = clock
        self._watch = watch
        self._watched = 0
        self._role = Role(units.database, LEASE, holder=holder, lasting=LEASE_MICROS, clock=clock)
        self._frontier: Frontier | None = None
        self._newest = 0
        self._compared = False
        self._stopping = asyncio.Event()
        self.places = [Place(copy) for copy in copies]

    def stop(self) -> None:
        """Ends ``run``."""
        self._stopping.set()

    async def run(self) -> None:
        """Works until stopped."""
        while not self._stopping.is_set():
            try:
                await self.step()
            except (DatabaseBusy, UniqueViolation, OSError) as error:
                self._frontier = None
                log.warning("audit.sequencer.waits", reason=type(error).__name__)
            except (Diverged, TreeDamaged) as error:
                # Records go on being kept; no checkpoint vouches for them until someone looks.
                log.critical("audit.log.diverged", reason=str(error))
            except Exception as error:  # noqa: BLE001 - the role must not end with one failure
                self._frontier = None
                # A traceback would show values.
                log.error("audit.sequencer.failed", error=type(error).__name__)  # noqa: TRY400
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), IDLE_SECONDS)
        await self.release()

    async def release(self) -> None:
        """Leaves the role to others."""
        await self._role.leave()

    async def step(self) -> StoredCheckpoint | None:
        """Sequences what waits and signs a checkpoint; the new one, or None."""
        async with self._units.database.read(THE_LOG) as connection:
            tree = AuditTree(connection)
            last = await tree.checkpoint()
            if last is not None and not await tree.is_waiting() and await tree.size() == last.size:
                if self._role.is_held:
                    await self._hand_out(last)
                return None
        if not await self._role.take():
            self._compared = False
            return None
        while await self._sequence():
            pass
        made = await self._sign()
        if self._watch is not None and self._clock.now() - self._watched > WATCH_MICROS:
            self._watched = self._clock.now()
            await self._watch.look()
        if made is not None:
            await self._hand_out(made)
        return made

    async def _sequence(self) -> bool:
        """Whether there may be more."""
        async with self._units.write(THE_LOG, resources=0) as unit:
            tree = AuditTree(unit.connection)
            self._frontier, rows = await tree.sequence(self._frontier, limit=BATCH)
            self._compare_clock(rows, unit.audited)
        return len(rows) == BATCH

    def _compare_clock(self, rows: Sequence[Row], audited: list[AuditRecord]) -> None:
        instants = [row[1] for row in rows]
        if not instants:
            return
        if max(instants) + _SET_BACK < self._newest:
            by = (self._newest - max(instants)) // SECOND
            audited.append(
                self._trail.internal("clock-set-back", tenant=HOME, detail={"seconds": str(by)})
            )
            self._newest = 0  # once, until it happens again
        self._newest = max(self._newest, *instants)

    async def _sign(self) -> StoredCheckpoint | None:
        async with self._units.write(THE_LOG, resources=0) as unit:
            tree = AuditTree(unit.connection)
            key = await self._keys.ensure(tree)
            size, last = await tree.size(), await tree.checkpoint()
            if last is not None and last.size >= size:
                return None
            if not self._compared:
                await self._compare(tree, size)
            root = await tree.root(size)
            note = self._keys.sign(key, size=size, root=root)
            made = StoredCheckpoint(size, self._clock.now(), note)
            await tree.add_checkpoint(made, root=root)
        return made

    async def _compare(self, tree: AuditTree, size: int) -> None:
        """Holds the tree against the copies, once for each time the role is taken."""
        keys = await tree.keys()
        for place in self.places:
            try:
                note = await place.copy.last()
                seen = opened(note, keys) if note is not None else None
            except (OSError, NoteRefused):
                place.trouble = "cannot be read"
                continue
            if note is None:
                continue
            if seen is None:
                raise Diverged(f"{place.copy.name} has a checkpoint of another log")
            against = ""
            if seen.size > size:
                against = f"has seen {seen.size} leaves, here are {size}"
            elif seen.root != await tree.root(seen.size):
                against = f"has another root for {seen.size} leaves"
            if not against:
                place.size = seen.size
            elif not any(each.covers(seen) for each in await restores(tree)):
                raise Diverged(f"{place.copy.name} {against}")
        self._compared = True

    async def _hand_out(self, made: StoredCheckpoint) -> None:
        for place in self.places:
            if place.size == made.size:
                continue
            try:
                await self._put(place, made)
            except Behind as behind:
                place.size, place.trouble = behind.size, str(behind)
            except OSError as error:
                place.trouble = str(error) or type(error).__name__
            else:
                place.size, place.trouble = made.size, ""

    async def _put(self, place: Place, made: StoredCheckpoint) -> None:
        since = min(place.size or 0, made.size)
        async with self._units.database.read(THE_LOG) as connection:
            proof = await AuditTree(connection).hashes(consistency_ranges(since, made.size))
        await place.copy.put(made.note, size=made.size, since=since, proof=proof)
