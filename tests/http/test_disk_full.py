"""On a full disk of PostgreSQL nothing is told and nothing is done; with room again it goes on.

The clinic's database lies in a tablespace on a file system of its own, in memory, that a table
of nothing fills. What is written ahead (the WAL) stays on the server's disk, as where that is
full PostgreSQL itself stops.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest_asyncio

from tests.http.answers import made
from tests.http.resources import patient
from tests.http.test_audit_failing import EVERY_TYPE, EVERY_WAY, ask, owner, stored, tells_nothing
from tests.support.application import Clinic, clinic_of, running
from tests.support.databases import Databases
from tests.support.machine import need
from tests.support.postgres import Server

SIZE = "96m"
FILL = "INSERT INTO filler SELECT repeat('x', {width}) FROM generate_series(1, {rows})"


@asynccontextmanager
async def small_disk(server: Server) -> AsyncIterator[str]:
    """A tablespace with little room, which is given back at the end."""
    where = Path(tempfile.mkdtemp(prefix="rapport-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(where)],
        check=False, capture_output=True,
    )  # fmt: skip
    try:
        need(mounted.returncode == 0, reason="needs the right to mount a small file system")
        where.chmod(0o711)
        inside = where / "space"
        inside.mkdir(mode=0o700)
        status = Path(f"/proc/{server.pid}/status").read_text()
        uid = int(status.partition("\nUid:")[2].split()[0])
        os.chown(inside, uid, -1)
        await server.run(f"CREATE TABLESPACE small LOCATION '{inside}'")
        yield "small"
        await server.run("DROP TABLESPACE small")
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", str(where)], check=True)
        shutil.rmtree(where, ignore_errors=True)


@pytest_asyncio.fixture
async def full(databases: Databases, tmp_path: Path) -> AsyncIterator[tuple[Clinic, str]]:
    """A clinic with a patient, whose disk is full."""
    need(shutil.which("mount") is not None, reason="needs the right to mount a small file system")
    database = await databases.make("postgresql")
    name = database.url.rpartition("/")[2]
    server = databases.server
    async with small_disk(server) as space:
        await server.run(f'ALTER DATABASE "{name}" SET TABLESPACE {space}')
        async with running(database, tmp_path) as application, clinic_of(application) as clinic:
            where = made(await clinic.http.post("Patient", json=patient()))
            await clinic.settle()
            await owner(database, "CREATE TABLE filler (nothing text)")
            await until_full(database.owner_url)
            for _ in range(400):
                if (await clinic.http.get(where)).status_code != 200:
                    break
            yield clinic, where.partition("/")[2]
        await databases.drop(database)


async def until_full(url: str) -> None:
    """Fills what is left, in pieces that grow smaller."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("ALTER TABLE filler ALTER nothing SET STORAGE PLAIN")
        for width, rows in ((7000, 1000), (7000, 100), (7000, 1)):
            while True:
                try:
                    await connection.execute(FILL.format(width=width, rows=rows))
                except asyncpg.DiskFullError:
                    break
    finally:
        await connection.close()


async def test_no_way_to_ask_is_answered_on_a_full_disk(full):
    clinic, id = full
    before = await stored(clinic.application.database)
    for asked in (*EVERY_WAY, *EVERY_TYPE):
        tells_nothing(await ask(clinic.http, asked, id), asked)
        assert await stored(clinic.application.database) == before, str(asked)
    async with clinic.application.http() as nobody:
        assert (await nobody.get("/fhir/metadata")).status_code == 200
        assert (await nobody.get("/fhir/Patient")).status_code == 503
    await owner(clinic.application.database, "DROP TABLE filler")
    for asked in EVERY_WAY[:3]:
        answer = await ask(clinic.http, asked, id)
        assert answer.status_code in (200, 304), "without a restart"
