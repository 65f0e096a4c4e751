"""Databases with the audit log's tables, as the owner makes them and the application finds them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
from sqlalchemy.schema import CreateIndex, CreateTable

from app.db import append_only, postgresql, sqlite
from app.db.engine import Database, connect
from app.db.metadata import metadata
from tests.support.postgres import APP, OWNER, Server


def schema(dialect: str) -> list[str]:
    """Every table, and what makes the log append-only."""
    chosen = sqlite.DIALECT if dialect == "sqlite" else postgresql.DIALECT
    made = [str(CreateTable(table).compile(dialect=chosen)) for table in metadata.sorted_tables]
    made += [
        str(CreateIndex(index).compile(dialect=chosen))
        for table in metadata.sorted_tables
        for index in sorted(table.indexes, key=lambda index: str(index.name))
    ]
    return [*made, *append_only.statements(dialect)]


@asynccontextmanager
async def audit_database(
    dialect: str, directory: Path, server: Server | None
) -> AsyncIterator[tuple[Database, str]]:
    """The application's database, and the URL of its owner."""
    name = f"audit_{uuid4().hex[:12]}"
    if dialect == "sqlite":
        path = directory / f"{name}.db"
        made = sqlite3.connect(path)
        for statement in schema(dialect):
            made.execute(statement)
        made.commit()
        made.close()
        url = owner = f"sqlite:///{path}"
    else:
        assert server is not None
        await server.create(name)
        url, owner = server.url(name, APP), server.url(name, OWNER)
        connection = await asyncpg.connect(owner)
        await connection.execute("GRANT USAGE ON SCHEMA public TO " + APP)
        for statement in [
            *schema(dialect),
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {APP}",
            *append_only.grants(APP),
        ]:
            await connection.execute(statement)
        await connection.close()
    database = await connect(url, pool_size=4, lock_timeout=10, statement_timeout=30)
    try:
        yield database, owner
    finally:
        await database.close()
        if server is not None and dialect == "postgresql":
            await server.drop(name)
