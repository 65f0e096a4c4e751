"""Whether what the database calls committed outlives a crash of its machine."""

from __future__ import annotations

from typing import Final

from sqlalchemy import column, text

from app.db.engine import Database, EveryTenant, Statement

_SETTINGS: Final = Statement(
    text(
        "SELECT name, setting FROM pg_settings WHERE setting = 'off' "
        "AND name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name"
    ).columns(column("name"), column("setting"))
)
_WHO: Final = EveryTenant("settings are the installation's")


async def relaxed(database: Database) -> list[str]:
    """The settings that are weaker than full durability; SQLite's are the program's own."""
    if database.dialect == "sqlite":
        return []
    async with database.read(_WHO) as connection:
        return [name for name, _ in await connection.fetch(_SETTINGS)]
