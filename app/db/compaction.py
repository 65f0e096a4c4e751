"""Writing what is stored anew, so that nothing of former rows is left in its files."""

from __future__ import annotations

import asyncio
import sqlite3

import asyncpg

from app.db.tables.indexes import INDEX_TABLES


def compact(owner_url: str) -> None:
    """Rewrites the search index, on SQLite the whole file; needs the owner's connection."""
    if owner_url.startswith("sqlite:"):
        raw = sqlite3.connect(owner_url.removeprefix("sqlite:///"), isolation_level=None)
        try:
            raw.execute("VACUUM")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()
    else:
        asyncio.run(_compact(owner_url))


async def _compact(owner_url: str) -> None:
    connection = await asyncpg.connect(owner_url)
    try:
        for table in INDEX_TABLES:
            await connection.execute(f"VACUUM FULL {table.name}")
    finally:
        await connection.close()
