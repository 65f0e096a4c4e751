"""A PostgreSQL that has just been filled answers by its keys, before it has any statistics."""

from __future__ import annotations

import asyncpg
import pytest

from app.db import postgresql
from app.db.engine import compiled
from tests.support.searching import world

ASKED = [
    ("Observation", "subject=Patient/p1&code=total"),
    ("Observation", "code=total&_count=5"),
    ("Observation", "_sort=-date"),
    ("Observation", "encounter=Encounter/e&_sort=-date&status=final"),
]


@pytest.mark.parametrize("type_name, text", ASKED)
async def test_no_search_goes_through_a_table_for_each_row(databases, monkeypatch, type_name, text):
    plans: list[str] = []

    async def explained(self, statement, params=None):
        query = compiled(statement, postgresql.DIALECT)
        values = query.bind(params)
        plan = await self.raw.fetch(f"EXPLAIN {query.sql}", *values)
        plans.append("\n".join(row[0] for row in plan))
        return await self.raw.fetch(query.sql, *values)

    made = await databases.make("postgresql")
    async with world(made) as there:
        await there.put(
            *(
                {
                    "resourceType": "Observation", "id": f"o{n}", "status": "final",
                    "code": {"coding": [{"code": "total"}]},
                    "subject": {"reference": f"Patient/p{n % 9}"},
                    "encounter": {"reference": "Encounter/e"},
                    "effectiveDateTime": "2026-01-01",
                }
                for n in range(300)
            )
        )  # fmt: skip
        monkeypatch.setattr(postgresql.PostgresqlConnection, "fetch", explained)
        assert await there.find(type_name, text)
    assert plans
    assert not [plan for plan in plans if "Join Filter" in plan]


async def test_from_postgresql_18_on_it_is_told_that_a_tenants_rows_are_not_few(databases):
    made = await databases.make("postgresql")
    name = made.url.rpartition("/")[2]  # as the superuser, whom row-level security hides nothing
    connection = await asyncpg.connect(databases._server().url(name))
    try:
        if connection.get_server_version().major < 18:
            pytest.skip("an earlier PostgreSQL cannot be told")
        known = await connection.fetch(
            "SELECT tablename, n_distinct FROM pg_stats WHERE attname = 'tenant'"
        )
        told = dict(known)
        assert [told[name] for name in ("resource", "idx_token", "idx_reference")] == [1, 1, 1]
    finally:
        await connection.close()
