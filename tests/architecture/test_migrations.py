"""The migrations make exactly the tables that the program describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from app.db.migrate import is_ours, upgrade
from app.db.owner import connected
from app.db.schema import MIGRATIONS, newest
from app.db.tables import metadata
from app.db.tables.audit import audit_event
from app.db.tables.indexes import INDEX_TABLES
from app.db.tables.resources import compartment, resource, resource_author, resource_history
from tests.support.databases import DIALECTS, Database, Databases

_NUMBERED = (resource.name, resource_history.name)


@pytest.fixture(params=DIALECTS)
async def empty(request: pytest.FixtureRequest, databases: Databases) -> Database:
    return await databases.make(request.param, migrated=False)


def test_there_is_one_head():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [newest()]


def test_tables_and_migrations_agree(empty: Database):
    upgrade(empty.owner_url, app_url=empty.url)
    assert _differences(empty) == []


def test_a_missing_column_would_be_seen(empty: Database):
    upgrade(empty.owner_url, app_url=empty.url)

    def spoil(connection: Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE outbox RENAME COLUMN version TO revision")

    connected(empty.owner_url, spoil)
    assert _differences(empty) != []


def test_migrating_again_changes_nothing(empty: Database):
    upgrade(empty.owner_url, app_url=empty.url)
    upgrade(empty.owner_url, app_url=empty.url)
    assert _differences(empty) == []


async def test_sqlite_is_told_of_every_index_over_records(databases: Databases):
    empty = await databases.make("sqlite", migrated=False)
    upgrade(empty.owner_url, app_url=empty.url)
    upgrade(empty.owner_url, app_url=empty.url)
    tables = [resource.name, resource_history.name, compartment.name, resource_author.name]
    tables += [audit_event.name]
    tables += [table.name for table in INDEX_TABLES]

    def look(connection: Connection) -> None:
        told = [
            tuple(row) for row in connection.exec_driver_sql("SELECT tbl, idx FROM sqlite_stat1")
        ]
        assert len(told) == len(set(told))
        for table in tables:
            there = connection.exec_driver_sql(f"PRAGMA index_list({table})")
            # The key of a table without row numbers goes by the table's name.
            names = {
                table if table not in _NUMBERED and row[3] == "pk" else row[1] for row in there
            }
            assert names == {index for of, index in told if of == table}, table

    connected(empty.owner_url, look)


def test_the_way_back_leaves_nothing(empty: Database):
    upgrade(empty.owner_url, app_url=empty.url)
    _migrate(empty, command.downgrade, "base")
    left: list[str] = []
    connected(empty.owner_url, lambda it: left.extend(inspect(it).get_table_names()))
    assert left == ["alembic_version"]
    upgrade(empty.owner_url, app_url=empty.url)
    assert _differences(empty) == []


@pytest.mark.parametrize("empty", ["postgresql"], indirect=True)
def test_the_history_keeps_every_version_in_its_parts(empty: Database):
    upgrade(empty.owner_url, app_url=empty.url)
    _migrate(empty, command.downgrade, "0012")
    told: list[tuple[int, int]] = []

    def fill(connection: Connection) -> None:
        for tenant in (1, 2):
            connection.exec_driver_sql(f"SET rapport.tenant = {tenant}")
            connection.execute(_TENANT, {"id": tenant, "slug": f"t{tenant}"})
            connection.execute(_VERSIONS, {"tenant": tenant})
        connection.commit()

    def count(connection: Connection) -> None:
        for tenant in (1, 2):
            connection.exec_driver_sql(f"SET rapport.tenant = {tenant}")
            query = text(f"SELECT count(*), count(DISTINCT tableoid) FROM {resource_history.name}")
            told.append(tuple(connection.execute(query).one()))

    connected(empty.owner_url, fill)
    upgrade(empty.owner_url, app_url=empty.url)
    connected(empty.owner_url, count)
    _migrate(empty, command.downgrade, "0012")
    connected(empty.owner_url, count)
    assert told == [(300, 16), (300, 16), (300, 1), (300, 1)]


_TENANT = text("INSERT INTO tenant (id, slug, name, created) VALUES (:id, :slug, '', 0)")
_VERSIONS = text(
    "INSERT INTO resource_history (tenant, kind, id, rid, version, updated, deleted, interaction,"
    " body, cipher, key_owner, confidentiality, sensitivity) SELECT :tenant, 1, rid::text, rid,"
    " version, 0, 0, 1, '', 0, 'tenant', 1, 0 FROM generate_series(1, 100) AS rid,"
    " generate_series(1, 3) AS version"
)


def _migrate(database: Database, way: Callable[[Config, str], None], revision: str) -> None:
    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        way(config, revision)
        connection.commit()

    connected(database.owner_url, run)


def _differences(database: Database) -> list[Any]:
    found: list[Any] = []

    def compare(connection: Connection) -> None:
        context = MigrationContext.configure(
            connection, opts={"include_object": is_ours, "compare_type": True}
        )
        found.extend(compare_metadata(context, metadata))

    connected(database.owner_url, compare)
    return found
