"""PostgreSQL keeps each clinic's rows apart where a statement forgets to ask for its own.

Every table that has a tenant is looked at, so a new one without a policy is found out.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import func, insert, select

from app.core.config import Settings
from app.db import engine
from app.db.row_security import SEEN_TOGETHER
from app.db.tables import metadata
from app.serving import reasons_not_to
from tests.support.application import ORIGIN
from tests.support.databases import ANYBODY
from tests.support.rows import TENANT, a_row

NAMES = sorted(table.name for table in TENANT)
MINE, THEIRS = 1, 2


@pytest_asyncio.fixture(scope="module")
async def filled(databases):
    """A database where both clinics have a row in every table, and the application's pool."""
    made = await databases.make("postgresql")
    pool = await engine.connect(made.url, pool_size=2, lock_timeout=5, statement_timeout=5)
    for tenant in (MINE, THEIRS):
        async with pool.write(tenant) as connection:
            for table in (metadata.tables["tenant"], *metadata.sorted_tables):
                if table in TENANT:
                    known = await connection.fetch(
                        select(func.count()).select_from(table).where(TENANT[table] == tenant)
                    )
                    if not known[0][0]:
                        await connection.execute(insert(table), a_row(table, tenant))
    yield made, pool
    await pool.close()


async def seen(connection: Any, table: Any) -> set[int]:
    """Whose rows a statement without any predicate finds."""
    return {row[0] for row in await connection.fetch(select(TENANT[table]))}


@pytest.mark.parametrize("name", NAMES)
async def test_a_statement_without_a_predicate_sees_no_other_clinic(filled, name):
    _, pool = filled
    table = metadata.tables[name]
    for opened in (pool.read, pool.snapshot, pool.write):
        async with opened(MINE) as connection:
            assert await seen(connection, table) - {0} == {MINE}
        async with opened(THEIRS) as connection:
            assert await seen(connection, table) - {0} == {THEIRS}
        async with opened(ANYBODY) as connection:
            together = {MINE, THEIRS} if name in SEEN_TOGETHER else set()
            assert {MINE, THEIRS} & await seen(connection, table) == together


@pytest.mark.parametrize("name", NAMES)
async def test_nothing_is_written_for_another_clinic(filled, name):
    made, _ = filled
    table, column = metadata.tables[name], TENANT[metadata.tables[name]].name
    raw = await asyncpg.connect(made.url)
    try:
        await raw.execute(f"SET rapport.tenant = {MINE}")
        others = f"WHERE {column} <> {MINE}"
        changed = f"UPDATE {name} SET {column} = {column} {others}"
        taken = f"DELETE FROM {name} {others}"
        for statement in (changed, taken):
            try:
                assert (await raw.execute(statement)).endswith(" 0")
            except asyncpg.InsufficientPrivilegeError:
                assert name.startswith("audit_")  # the log's own wall comes before
        row = a_row(table, THEIRS)
        places = ", ".join(f"${number + 1}" for number in range(len(row)))
        added = f"INSERT INTO {name} ({', '.join(row)}) VALUES ({places})"
        for tenant in (THEIRS, 3):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await raw.execute(added, *a_row(table, tenant).values())
    finally:
        await raw.close()


async def test_who_says_nothing_sees_nothing(filled):
    made, _ = filled
    for url in (made.url, made.owner_url):  # FORCE holds the owner too
        raw = await asyncpg.connect(url)
        for name in NAMES:
            found = await raw.fetch(f"SELECT * FROM {name} LIMIT 9")
            assert {row["id" if name == "tenant" else "tenant"] for row in found} <= {0}, name
        await raw.close()


async def test_a_pool_of_one_turns_from_clinic_to_clinic(filled):
    """A connection that saw one clinic's rows sees the next one's alone, whatever came between."""
    made, _ = filled
    pool = await engine.connect(made.url, pool_size=1, lock_timeout=5, statement_timeout=5)
    table = metadata.tables["job"]
    for whose, wanted in ((MINE, {MINE}), (THEIRS, {THEIRS}), (ANYBODY, set()), (MINE, {MINE})):
        async with pool.read(whose) as connection:
            assert await seen(connection, table) == wanted
        await _turn_and_fail(pool, table)
        async with pool.snapshot(THEIRS) as connection:
            assert await seen(connection, table) == {THEIRS}
        async with pool.read(whose) as connection:
            assert await seen(connection, table) == wanted
    await pool.close()


async def _turn_and_fail(pool: Any, table: Any) -> None:
    with suppress(ZeroDivisionError):
        async with pool.write(THEIRS) as connection:
            await connection.turn_to(MINE)
            assert await seen(connection, table) == {MINE}
            raise ZeroDivisionError


async def test_production_refuses_a_role_that_the_policies_do_not_hold(databases, tmp_path):
    made = await databases.make("postgresql")
    server = databases._server()
    name = made.url.rpartition("/")[2]
    for url, reason in (
        (made.url, None),
        (made.owner_url, "owns tables"),
        (server.url(name), "superuser"),
    ):
        for env in ("production", "demo"):
            settings = Settings(env=env, data_dir=tmp_path, database_url=url, base_url=ORIGIN)
            told = [each for each in await reasons_not_to(settings) if "database role" in each]
            assert bool(told) == (reason is not None and env == "production")
            assert all(str(reason) in each for each in told)


async def test_production_refuses_a_table_without_its_policies(databases, tmp_path):
    made = await databases.make("postgresql")
    settings = Settings(env="production", data_dir=tmp_path, database_url=made.url, base_url=ORIGIN)
    owner = await asyncpg.connect(made.owner_url)
    await owner.execute("ALTER TABLE resource NO FORCE ROW LEVEL SECURITY")
    await owner.close()
    assert any("row-level security is off" in each for each in await reasons_not_to(settings))


def test_every_table_that_is_seen_together_is_one_of_a_tenant():
    assert set(NAMES) >= SEEN_TOGETHER
