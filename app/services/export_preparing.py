"""Preparing exports: where each file begins and ends, found over what its client sees.

Any process may take the role, one at a time has it (a lease). What a step found is kept in one
short transaction, so whoever is killed loses one step, and another goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import structlog

from app.core.clock import SECOND, Clock
from app.core.errors import AppError, Category
from app.db.engine import DatabaseBusy, EveryTenant
from app.fhir.audit.record import MAJOR, SUCCESS, AuditRecord
from app.fhir.registry import REGISTRY
from app.repositories.exports import ExportFile, ExportJob
from app.repositories.leases import Role
from app.repositories.unit_of_work import UnitOfWork, UnitsOfWork
from app.repositories.walks import Stretch
from app.search.visibility import Visible
from app.security import access, scopes
from app.security.principal import Principal
from app.services.audit import AuditTrail
from app.services.export_asked import Asked, Part
from app.services.grounds import learnt

log = structlog.get_logger("rapport.export")

LEASE = "export"
LEASE_MICROS = 30 * SECOND
IDLE_SECONDS = 1.0
PATIENCE_MICROS = 60 * SECOND  # with transactions that were under way
PURGE_MICROS = 60 * SECOND
_QUEUE = EveryTenant("one queue, whose rows say whose they are")


@dataclass(slots=True)
class _Found:
    """Files found in a step, and where the next one begins."""

    part: int
    below: int | None
    files: list[ExportFile] = field(default_factory=list)


class Preparing:
    """Prepares until it is stopped."""

    def __init__(
        self,
        units: UnitsOfWork,
        trail: AuditTrail,
        *,
        clock: Clock,
        holder: str,
        origin: str,
        file_rows: int,
    ) -> None:
        self._units = units
        self._trail = trail
        self._clock = clock
        self._origin = origin
        self._file_rows = file_rows
        self._role = Role(units.database, LEASE, holder=holder, lasting=LEASE_MICROS, clock=clock)
        self._purged = 0
        self._woken = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Tells that there is something to prepare."""
        self._woken.set()

    def stop(self) -> None:
        """Ends ``run`` after the step under way."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Works until stopped."""
        while not self._stopping:
            done = False
            try:
                done = await self.step()
            except (DatabaseBusy, AppError) as error:
                log.warning("export could not be prepared", reason=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - the role must not end with one failure
                # A traceback would show values.
                log.error("export could not be prepared", error=type(error).__name__)  # noqa: TRY400
            if not done:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), IDLE_SECONDS)
                self._woken.clear()
        with contextlib.suppress(DatabaseBusy):
            await self.release()

    async def release(self) -> None:
        """Leaves the role to others."""
        await self._role.leave()

    async def step(self) -> bool:
        """One step of the oldest job; False where there is none, or it is another's to do."""
        now = self._clock.now()
        await self._purge(now)
        async with self._units.read(_QUEUE, snapshot=False) as unit:
            job = await unit.exports.due(now=now)
            # Who is slow to commit must not miss this export and, by its time, the next.
            is_late = job is not None and now - job.started > PATIENCE_MICROS
            if job and not is_late and not await unit.exports.is_settled(job):
                return False
        if job is None or not await self._role.take():
            return False
        try:
            await self._prepare(job)
        except DatabaseBusy:
            raise
        except Exception as error:
            if isinstance(error, AppError) and error.category is Category.UNAVAILABLE:
                raise
            # A traceback may hold what was asked for.
            log.error("export failed", error=type(error).__name__)  # noqa: TRY400
            await self._give_up(job)
        return True

    async def _prepare(self, job: ExportJob) -> None:
        asked = Asked.loads(job.asked)
        async with self._units.read(job.tenant) as uow:
            visible = await self._visible(uow, job, asked)
            found = await self._look(uow, job, asked, visible) if visible else None
        if found is None:
            await self._give_up(job)
            return
        is_done = found.part == len(asked.parts)
        finished = self._clock.now() if is_done else None
        async with self._units.write(job.tenant, resources=0) as uow:
            moved = await uow.exports.advance(
                job, found.files, part=found.part, below=found.below, finished=finished
            )
            if moved and is_done:
                uow.audited.append(self._ended(job, SUCCESS))

    async def _visible(self, uow: UnitOfWork, job: ExportJob, asked: Asked) -> Visible | None:
        """What the client sees by now; None where it may not export any more."""
        client = await uow.accounts.clients.find(job.client, tenant=job.tenant)
        tenant = await uow.accounts.clients.tenant(job.tenant)
        if client is None or not client.enabled or tenant is None or tenant.suspended:
            return None
        principal = Principal.of_client(
            client,
            scopes.parse(asked.scope, types=REGISTRY),
            slug=tenant.slug,
            issuer=self._origin,
            at=self._clock.now(),
        )
        return access.visible(principal, "s", await learnt(uow, principal))

    async def _look(
        self, uow: UnitOfWork, job: ExportJob, asked: Asked, visible: Visible
    ) -> _Found:
        """Goes through parts until there is as much as one file holds."""
        found, rows = _Found(job.part, job.below), 0
        first = len(await uow.exports.files(job)) + 1
        while found.part < len(asked.parts) and rows < self._file_rows:
            part = asked.parts[found.part]
            numbers = await self._numbers(uow, job, asked, part, below=found.below, visible=visible)
            rows += len(numbers)
            is_last = len(numbers) <= self._file_rows
            # The first file of a type has no upper end and the last no lower: what is committed or
            # permitted meanwhile has its place in one of them.
            down_to = 0 if is_last else numbers[self._file_rows - 1]
            if numbers:
                number = first + len(found.files)
                found.files.append(
                    ExportFile(number, part.kind, part.deleted, found.below, down_to)
                )
            found.part += is_last
            found.below = None if is_last else down_to
        return found

    async def _numbers(
        self,
        uow: UnitOfWork,
        job: ExportJob,
        asked: Asked,
        part: Part,
        *,
        below: int | None,
        visible: Visible,
    ) -> list[int]:
        query = asked.query(part, base=f"{self._origin}/fhir", now=job.started)
        stretch = Stretch(below, 0, self._file_rows + 1)
        if not part.deleted:
            return await uow.walks.numbers(query, stretch, visible=visible)
        gone = await uow.walks.deletions(
            query, stretch, since=asked.begin, until=job.until, visible=visible
        )
        return [number for number, _ in gone]

    async def _give_up(self, job: ExportJob) -> None:
        async with self._units.write(job.tenant, resources=0) as uow:
            await uow.exports.remove(job.tenant, job.id)
            uow.audited.append(self._ended(job, MAJOR))

    def _ended(self, job: ExportJob, outcome: str) -> AuditRecord:
        return self._trail.internal(
            "export-finished",
            tenant=job.tenant,
            name=f"$export/{job.id}",
            detail={"client": job.client},
            outcome=outcome,
        )

    async def _purge(self, now: int) -> None:
        """Forgets once a minute what has expired."""
        if now - self._purged < PURGE_MICROS:
            return
        self._purged = now
        async with self._units.read(_QUEUE, snapshot=False) as unit:
            over = await unit.exports.expired(now=now)
        for tenant, id in over:
            async with self._units.write(tenant, resources=0) as uow:
                await uow.exports.remove(tenant, id)
