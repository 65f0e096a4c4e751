"""Bulk exports under way: kept, found by their client, prepared step by step, forgotten.

What was asked for is sealed under the tenant's key. Nothing here reads a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Integer,
    and_,
    bindparam,
    column,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from app.core.clock import MILLISECOND
from app.db.engine import Connection, Row, Statement
from app.db.metadata import Micros, Str
from app.db.tables.exports import export_file, export_job
from app.db.tables.keys import readable
from app.repositories.codec import EnvelopeCodec, Sealed
from app.repositories.data_keys import DataKeys
from app.repositories.versions import CLINIC


@dataclass(frozen=True, slots=True)
class ExportJob:
    """An export; ``asked`` is the JSON of what was asked for, instants are in microseconds.

    It is prepared up to row numbers below ``below`` of the part ``part``.
    """

    tenant: int
    id: str
    client: str
    started: int
    expires: int
    asked: bytes
    finished: int | None = None
    part: int = 0
    below: int | None = None

    @property
    def until(self) -> int:
        """The first instant after ``transactionTime``, which tells milliseconds."""
        return self.started // MILLISECOND * MILLISECOND + MILLISECOND


@dataclass(frozen=True, slots=True)
class ExportFile:
    """Rows of a type, or its deletions: those from ``down_to`` to before ``below``."""

    number: int
    kind: int
    deleted: bool
    below: int | None
    down_to: int


_COLUMNS = (
    "tenant", "id", "client", "started", "expires", "finished", "part", "below",
    "body", "cipher", "key_id", "nonce",
)  # fmt: skip
_JOB = [readable(export_job, name) for name in _COLUMNS]
_THIS = (
    export_job.c.tenant == bindparam("this_tenant", type_=Integer()),
    export_job.c.id == bindparam("this_id", type_=Str),
)
_NOW = bindparam("now", type_=Micros)
_ADD, _ADD_FILE = Statement(insert(export_job)), Statement(insert(export_file))
_FIND = Statement(select(*_JOB).where(*_THIS, export_job.c.expires > _NOW), by_key=True)
_DUE = Statement(
    select(*_JOB)
    .where(export_job.c.finished.is_(None), export_job.c.expires > _NOW)
    .order_by(export_job.c.started)
    .limit(1)
)
_RUNNING = Statement(
    select(func.count()).where(
        export_job.c.tenant == bindparam("this_tenant", type_=Integer()),
        export_job.c.client == bindparam("this_client", type_=Str),
        export_job.c.finished.is_(None),
        export_job.c.expires > _NOW,
    )
)
_POLL = Statement(
    update(export_job)
    .where(*_THIS, export_job.c.polled <= bindparam("before", type_=Micros))
    .values(polled=_NOW)
)
_FROM = (
    export_job.c.finished.is_(None),
    export_job.c.part == bindparam("from_part", type_=Integer()),
    # Every row has a number, so none begins at 0 again.
    func.coalesce(export_job.c.below, 0) == bindparam("from_below", type_=BigInteger()),
)
_MOVE = Statement(
    update(export_job)
    .where(*_THIS, *_FROM)
    .values(
        part=bindparam("to_part", type_=Integer()),
        below=bindparam("to_below", type_=BigInteger()),
        finished=bindparam("to_finished", type_=Micros),
    )
)
_FILES_OF = and_(
    export_file.c.tenant == bindparam("this_tenant", type_=Integer()),
    export_file.c.job == bindparam("this_id", type_=Str),
)
_FILES = Statement(
    select(
        export_file.c.number,
        export_file.c.kind,
        export_file.c.deleted,
        export_file.c.below,
        export_file.c.down_to,
    )
    .where(_FILES_OF)
    .order_by(export_file.c.number)
)
_REMOVE = [
    Statement(delete(export_file).where(_FILES_OF)),
    Statement(delete(export_job).where(*_THIS)),
]
_EXPIRED = Statement(
    select(export_job.c.tenant, export_job.c.id).where(export_job.c.expires <= _NOW).limit(100)
)
# Of the server's own role, which is whom the servers of an installation connect as.
_WRITING = Statement(
    text(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
        "AND usename = current_user AND backend_xid IS NOT NULL "
        "AND xact_start <= to_timestamp(:at / 1e6)) AS writing"
    )
    .bindparams(bindparam("at", type_=BigInteger()))
    .columns(column("writing"))
)


class Exports:
    """Jobs and their files through one connection."""

    def __init__(self, connection: Connection, codec: EnvelopeCodec, keys: DataKeys) -> None:
        self._connection = connection
        self._codec = codec
        self._keys = keys

    async def add(self, job: ExportJob) -> None:
        """Keeps a new job."""
        keys = await self._keys.of(job.tenant, [CLINIC])
        sealed = await self._keys.opening(
            lambda: self._codec.seal(
                job.asked, key=keys[CLINIC], owner=CLINIC, context=_context(job.tenant, job.id)
            )
        )
        row = {
            "tenant": job.tenant,
            "id": job.id,
            "client": job.client,
            "started": job.started,
            "expires": job.expires,
            "finished": None,
            "polled": 0,
            "part": 0,
            "below": None,
        }
        await self._connection.execute(_ADD, {**row, **sealed._asdict()})

    async def find(self, tenant: int, id: str, *, now: int) -> ExportJob | None:
        """A job that has not expired."""
        key = {"this_tenant": tenant, "this_id": id, "now": now}
        return await self._one(await self._connection.fetch(_FIND, key))

    async def due(self, *, now: int) -> ExportJob | None:
        """The oldest job of all tenants that is still to be prepared."""
        return await self._one(await self._connection.fetch(_DUE, {"now": now}))

    async def is_settled(self, job: ExportJob) -> bool:
        """Whether all that began to be written before a job was started is there, or is not.

        SQLite has one writer at a time, who had ended when the job was kept.
        """
        if self._connection.dialect == "sqlite":
            return True
        return not (await self._connection.fetch(_WRITING, {"at": job.started}))[0][0]

    async def running(self, tenant: int, client: str, *, now: int) -> int:
        """How many jobs of a client are still to be prepared."""
        key = {"this_tenant": tenant, "this_client": client, "now": now}
        return int((await self._connection.fetch(_RUNNING, key))[0][0])

    async def poll(self, job: ExportJob, *, now: int, pause: int) -> bool:
        """Notes that a client asked after a job; False where it did within the pause."""
        key = {"this_tenant": job.tenant, "this_id": job.id}
        return bool(
            await self._connection.execute(_POLL, {**key, "now": now, "before": now - pause})
        )

    async def advance(
        self,
        job: ExportJob,
        files: Sequence[ExportFile],
        *,
        part: int,
        below: int | None,
        finished: int | None,
    ) -> bool:
        """Keeps how far a job has come; False, with nothing done, where it was elsewhere."""
        moved = await self._connection.execute(
            _MOVE,
            {
                "this_tenant": job.tenant,
                "this_id": job.id,
                "from_part": job.part,
                "from_below": job.below or 0,
                "to_part": part,
                "to_below": below,
                "to_finished": finished,
            },
        )
        if moved and files:
            rows = [
                {
                    "tenant": job.tenant,
                    "job": job.id,
                    "number": file.number,
                    "kind": file.kind,
                    "deleted": int(file.deleted),
                    "below": file.below,
                    "down_to": file.down_to,
                }
                for file in files
            ]
            await self._connection.execute_many(_ADD_FILE, rows)
        return bool(moved)

    async def files(self, job: ExportJob) -> list[ExportFile]:
        """The files that are prepared, in order."""
        key = {"this_tenant": job.tenant, "this_id": job.id}
        rows = await self._connection.fetch(_FILES, key)
        return [ExportFile(row[0], row[1], bool(row[2]), row[3], row[4]) for row in rows]

    async def remove(self, tenant: int, id: str) -> None:
        """Forgets a job and its files."""
        for statement in _REMOVE:
            await self._connection.execute(statement, {"this_tenant": tenant, "this_id": id})

    async def expired(self, *, now: int) -> Sequence[tuple[int, str]]:
        """Some jobs whose time is over: tenant and id."""
        rows = await self._connection.fetch(_EXPIRED, {"now": now})
        return [(row[0], row[1]) for row in rows]

    async def _one(self, rows: Sequence[Row]) -> ExportJob | None:
        if not rows:
            return None
        tenant, id, client, started, expires, finished, part, below, *sealed = rows[0]
        body, cipher, key_id, nonce = sealed
        asked = await self._keys.opening(
            lambda: self._codec.open(
                Sealed(bytes(body), cipher, key_id, nonce),
                owner=CLINIC,
                context=_context(tenant, id),
            )
        )
        return ExportJob(tenant, id, client, started, expires, asked, finished, part, below)


def _context(tenant: int, id: str) -> str:
    return f"{tenant}|export|{id}|1"
