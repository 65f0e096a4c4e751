"""The server under the tests is a real one, durable, and leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import asyncpg
import pytest

from tests.support import postgres as harness


async def test_server_is_as_durable_as_production(postgres: harness.Server):
    connection = await asyncpg.connect(postgres.url("postgres"))
    try:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert await connection.fetchval(f"SHOW {name}") == "on"
    finally:
        await connection.close()


@pytest.mark.parametrize("role", [harness.OWNER, harness.APP])
async def test_roles_can_be_bound_by_row_level_security(postgres: harness.Server, role):
    connection = await asyncpg.connect(postgres.url("postgres"))
    try:
        row = await connection.fetchrow(
            "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles"
            " WHERE rolname = $1",
            role,
        )
    finally:
        await connection.close()
    assert row is not None
    assert not any(row.values())


async def test_application_may_not_make_tables(postgres: harness.Server):
    name = f"harness_{os.getpid()}"
    await postgres.create(name)
    try:
        connection = await asyncpg.connect(postgres.url(name, harness.APP))
        try:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("CREATE TABLE mine (id int)")
        finally:
            await connection.close()
    finally:
        await postgres.drop(name)


def test_a_run_of_its_own_starts_and_stops(tmp_path: Path):
    run = tmp_path / "run"
    run.mkdir()
    server = harness.join(run, os.getpid())
    assert harness.join(run, os.getpid()) == server
    harness.leave(run)
    assert not run.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)
