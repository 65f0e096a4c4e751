"""One database with its servers: Rapport, its relay, and the references beside it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from app.interactions.relay import QUEUE
from app.main import opened
from bench import seeding
from bench.clinic import RAPPORT, RECORDS, Clinic, token
from bench.driving import Target
from bench.processes import Process, cpu_of, family, free_port, running, serving, uvicorn
from bench.records import Tree
from tests.support.postgres import Server

_PATIENCE = 300.0  # seconds for the relay


@dataclass(frozen=True, slots=True)
class Stand:
    """A clinic on one database; ``cluster`` is the PostgreSQL server, if that is what it is."""

    clinic: Clinic
    tenant: int
    cluster: Server | None = None

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.clinic.dialect

    @contextmanager
    def rapport(self, workers: int = 1, *, factory: str | None = None) -> Iterator[Process]:
        """Rapport as it is served, or another composition root.

        On PostgreSQL reactions are left to a relay in a process of its own. SQLite has one
        writer at a time, so there the relay runs where it does by itself: in the server.
        """
        port = self.clinic.port
        command = [str(RAPPORT), "serve", "--workers", str(workers)]
        if self.cluster:
            command.append("--no-relay")
        if factory is not None:
            command = uvicorn(factory, port=port, workers=workers)
        with self._serving(command, port, "/health/ready", self.clinic.env) as process:
            yield process

    @contextmanager
    def relay(self) -> Iterator[int | None]:
        """The relay and the audit log's sequencer where they are a process; its id."""
        if self.cluster is None:
            yield None
            return
        command = [str(RAPPORT), "relay"]
        with running(command, env=self.clinic.env, log=self._log("relay")) as popen:
            yield popen.pid

    @contextmanager
    def references(self, workers: int = 1) -> Iterator[tuple[Process, Target]]:
        """The server that does nothing but what it is measured for.

        SQLite has one writer at a time, and it shall not wait for Rapport's: it has a copy.
        """
        port = free_port()
        command = uvicorn("bench.references:application", port=port, workers=workers)
        env = {**self.clinic.env, "BENCH_TENANT": str(self.tenant)}
        copy = self.clinic.data_dir / "reference.db"
        if self.cluster is None:
            _copy(Path(self.clinic.settings.database.removeprefix("sqlite:///")), copy)
            env["RAPPORT_DATABASE_URL"] = f"sqlite:///{copy}"
        with self._serving(command, port, "/trivial", env) as process:
            yield process, Target(f"http://127.0.0.1:{port}")

    def target(self, client: str = RECORDS) -> Target:
        """Rapport, which must be running, with a token of a client's."""
        port = self.clinic.port
        return Target(f"http://127.0.0.1:{port}/fhir", token(port, self.clinic.key, client))

    def database_cpu(self) -> float:
        """CPU seconds of the database server so far; SQLite has none."""
        return cpu_of(family(self.cluster.pid)) if self.cluster else 0.0

    def seed(self, trees: Iterable[Tree]) -> None:
        """Stores records, and lets PostgreSQL look at what it has as it would in time."""
        asyncio.run(seeding.seed(self.clinic.settings, trees))
        if self.cluster:
            asyncio.run(_looked(self.clinic.settings.owner_database))

    def ids(self, count: int) -> list[str]:
        """Responses of 40 items."""
        return asyncio.run(seeding.ids(self.clinic.settings, count))

    def backlog(self) -> tuple[int, float]:
        """Reactions that wait, and the age of the oldest in seconds."""

        async def asked() -> tuple[int, float]:
            async with opened(self.clinic.settings) as core, core.units.read(QUEUE) as unit:
                count, oldest = await unit.outbox.backlog(core.clock.now())
                return count, (core.clock.now() - oldest) / 1e6 if oldest else 0.0

        return asyncio.run(asked())

    def followed(self) -> None:
        """Waits until no reaction is due."""
        deadline = time.monotonic() + _PATIENCE
        while self.backlog()[0]:
            if time.monotonic() > deadline:
                raise RuntimeError("the relay does not follow")
            time.sleep(0.5)

    def settled(self) -> None:
        """The same, and PostgreSQL has given back what is free."""
        self.followed()
        self.seed(())

    def size(self) -> int:
        """Octets of all that is stored, but for the queue of reactions."""
        if self.cluster:
            return asyncio.run(_size(self.clinic.settings.owner_database))
        return _file_size(Path(self.clinic.settings.database.removeprefix("sqlite:///")))

    def _serving(
        self, command: list[str], port: int, path: str, env: Mapping[str, str]
    ) -> contextlib.AbstractContextManager[Process]:
        return serving(command, port=port, env=env, log=self._log("serve"), path=path)

    def _log(self, name: str) -> Path:
        return self.clinic.data_dir / f"{name}.log"


async def _looked(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def _size(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        found: int = await connection.fetchval(_SIZE)
    finally:
        await connection.close()
    return found


_SIZE = """
SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
WHERE relkind IN ('r', 'm') AND relnamespace = 'public'::regnamespace AND relname <> 'outbox'
"""


def _copy(path: Path, to: Path) -> None:
    to.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as here:
        here.execute("VACUUM INTO ?", (str(to),))


def _file_size(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        (pages,), (free,), (octets,) = [
            connection.execute(f"PRAGMA {name}").fetchone()
            for name in ("page_count", "freelist_count", "page_size")
        ]
    finally:
        connection.close()
    return int((pages - free) * octets)
