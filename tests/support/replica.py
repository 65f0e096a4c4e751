"""A streaming replica of a PostgreSQL server that the tests started."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from tests.support.ports import free_port
from tests.support.postgres import Programs, Server, await_ready, home, listening, stop


@dataclass(frozen=True, slots=True)
class Replica:
    """Where the replica listens; it follows its primary until it is told to pause."""

    server: Server

    async def pause(self) -> None:
        """Replays nothing more: whoever reads it reads the past."""
        await self.server.run("SELECT pg_wal_replay_pause()")

    async def resume(self) -> None:
        """Goes on."""
        await self.server.run("SELECT pg_wal_replay_resume()")

    async def asked(self, database: str) -> int:
        """How many rows were read from a database here, as far as was counted."""
        connection = await asyncpg.connect(self.server.url("postgres"))
        try:
            return int(
                await connection.fetchval(
                    "SELECT tup_returned FROM pg_stat_database WHERE datname = $1", database
                )
            )
        finally:
            await connection.close()


@contextmanager
def replica_of(primary: Server) -> Iterator[Replica]:
    """A replica, ready; ended and removed on leaving.

    Of a server that nothing else writes to: a busy one may drop the log that a copy begins with.
    """
    place, spare = home(on_disk=False), Path(tempfile.mkdtemp(prefix="rapport-pg-"))
    try:
        programs = Programs.found(place, spare)
        data, port = place / "data", free_port()
        programs.run(
            "pg_basebackup",
            *("-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres", "-D", str(data)),
            *("-X", "stream", "-c", "fast", "-R", "--no-sync"),
            at=place,
            env={**os.environ, "PGPASSWORD": primary.password},
        )
        process = programs.serve(data, {**listening(port), "max_connections": 200})
        server = replace(primary, port=port, pid=process.pid)
        try:
            await_ready(process, server, "SELECT 1")
            yield Replica(server)
        finally:
            stop(process)
    finally:
        shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(spare, ignore_errors=True)
