"""Exports that were asked for: how far one is, its end, and its files, each time for their client.

Whoever asks is judged as when the export was asked for, with every request and every stretch of a
file: the same client, by scopes that still allow it, over what it sees at that moment. What
another client asked for, what has ended and what never was are told in the same words.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.core.clock import SECOND, Clock, format_instant
from app.core.errors import AppError, Category, Issue, Severity
from app.fhir import json
from app.fhir.outcome import operation_outcome
from app.fhir.registry import REGISTRY, by_code
from app.repositories.exports import ExportFile, ExportJob
from app.repositories.unit_of_work import UnitOfWork, UnitsOfWork
from app.search.asker import Concern
from app.search.found import NOBODY, Whose, together
from app.search.visibility import Visible
from app.security import access, exporting
from app.security.principal import Principal
from app.services.audit import AuditTrail, Grounds, RequestFacts
from app.services.export_asked import Asked
from app.services.export_stretch import Lines, stretch
from app.services.grounds import learnt, opened

ROWS = 500  # of a stretch
NOTES = 0  # the number of the file that tells what was left aside
_PAUSE = SECOND // 20
_ID = re.compile(r"[A-Za-z0-9\-]{1,64}", re.ASCII)
_GROUP = REGISTRY["Group"].code


@dataclass(frozen=True, slots=True)
class Progress:
    """An export that is being prepared, in words."""

    text: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """An export that is ready; ``expires`` in microseconds."""

    tree: Mapping[str, Any]
    expires: int


class _Own(NamedTuple):
    """The caller's export, what was asked for, and what the caller sees by which Consents."""

    job: ExportJob
    asked: Asked
    concern: Concern
    visible: Visible


class Exports:
    """Tells of exports, ends them and hands out their files. ``base`` is FHIR's."""

    def __init__(self, units: UnitsOfWork, trail: AuditTrail, *, clock: Clock, base: str) -> None:
        self._units = units
        self._trail = trail
        self._clock = clock
        self._base = base

    async def status(
        self, principal: Principal, facts: RequestFacts, id: str
    ) -> Progress | Manifest:
        """How far an export is. Raises ``throttled`` where that is asked too often."""
        exporting.types(principal)
        async with self._units.write(principal.tenant, resources=0, late=True) as uow:
            own = await self._own(uow, principal, id)
            job, asked = own.job, own.asked
            exporting.check(principal, asked.types)
            files = await uow.exports.files(job)
            uow.audited.extend(self._trail.success("operation", principal, facts))
            if job.finished is not None:
                return Manifest(self._manifest(job, asked, files), job.expires)
            if not await uow.exports.poll(job, now=principal.at, pause=_PAUSE):
                raise AppError.of(
                    Category.THROTTLED, "throttled", "this was asked a moment ago", retry_after=1
                )
        return Progress(f"{job.part} of {len(asked.parts)} parts looked through")

    async def cancel(self, principal: Principal, facts: RequestFacts, id: str) -> None:
        """Ends an export: its files are there no more."""
        exporting.types(principal)
        async with self._units.write(principal.tenant, resources=0) as uow:
            job = (await self._own(uow, principal, id)).job
            await uow.exports.remove(job.tenant, job.id)
            uow.audited.extend(self._trail.success("operation", principal, facts))

    async def download(
        self, principal: Principal, facts: RequestFacts, id: str, number: int
    ) -> AsyncGenerator[bytes]:
        """A file in pieces, each of what is seen when it is made.

        Whose records are in a piece is durable in the audit log before the piece is given. Raises
        ``AppError`` before the first piece for what is not there, and later for what has ended.
        """
        exporting.types(principal)
        told: Whose | None = None
        below: int | None = None
        while True:
            async with self._units.read(principal.tenant) as uow:
                lines, whose, grounds = await self._lines(uow, principal, id, number, below)
                fresh = whose.but_not(told or NOBODY)
                if told is None or fresh != NOBODY:
                    uow.audited.extend(
                        self._trail.success(
                            "export-downloaded",
                            principal,
                            facts,
                            name=f"$export/{id}/{number}",
                            whose=fresh,
                            opened=grounds,
                        )
                    )
            told = together([fresh, told or NOBODY])
            yield lines.text
            if lines.below is None:
                return
            below = lines.below

    async def _lines(
        self, uow: UnitOfWork, principal: Principal, id: str, number: int, below: int | None
    ) -> tuple[Lines, Whose, Mapping[str, Grounds]]:
        """A piece of a file, and whose records are in it, on what grounds."""
        tokens, now = uow.accounts.tokens, self._clock.now()
        standing = await tokens.standing(principal.tenant, principal.token_id, now=now)
        principal = exporting.renewed(principal, standing, at=now)
        own = await self._own(uow, principal, id)
        job, asked, visible = own.job, own.asked, own.visible
        if number == NOTES and asked.ignored:
            return Lines(_notes(asked), (), None), NOBODY, {}
        file = next((f for f in await uow.exports.files(job) if f.number == number), None)
        if file is None or job.finished is None:
            raise _not_found()
        exporting.check(principal, (by_code(file.kind).name,))
        lines = await stretch(
            uow, job, asked, file, below=below, limit=ROWS, visible=visible, base=self._base
        )
        whose = await uow.resources.whose(lines.rids, visible=visible)
        return lines, whose, await opened(uow, principal, own.concern, lines.rids)

    async def _own(self, uow: UnitOfWork, principal: Principal, id: str) -> _Own:
        job = None
        if _ID.fullmatch(id):  # another may be what no text of a database holds
            job = await uow.exports.find(principal.tenant, id, now=self._clock.now())
        if job is None or job.client != principal.client_id:
            raise _not_found()
        asked = Asked.loads(job.asked)
        concern = await learnt(uow, principal)
        visible = access.visible(principal, "s", concern)
        if asked.group is not None:
            group = await uow.resources.read(_GROUP, asked.group, visible=visible)
            if group is None or group.deleted:
                raise _not_found()
        return _Own(job, asked, concern, visible)

    def _manifest(self, job: ExportJob, asked: Asked, files: list[ExportFile]) -> dict[str, Any]:
        def item(number: int, type_name: str) -> dict[str, str]:
            return {"type": type_name, "url": f"{self._base}/$export/{job.id}/{number}"}

        return {
            "transactionTime": format_instant(job.started),
            "request": asked.request,
            "requiresAccessToken": True,
            "output": [item(f.number, by_code(f.kind).name) for f in files if not f.deleted],
            "deleted": [item(f.number, "Bundle") for f in files if f.deleted],
            "error": [item(NOTES, "OperationOutcome")] if asked.ignored else [],
        }


def _notes(asked: Asked) -> bytes:
    """What was left aside, an OperationOutcome for each."""
    outcomes = (
        operation_outcome([Issue("not-supported", text, severity=Severity.WARNING)])
        for text in asked.ignored
    )
    return b"".join(json.dumps(outcome) + b"\n" for outcome in outcomes)


def _not_found() -> AppError:
    return AppError.of(Category.NOT_FOUND, "not-found", "no such export")
