"""Whether a database has the newest schema; asked at every start, so Alembic stays out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import column, func, literal, select, table

from app.db.engine import Database, EveryTenant, Statement

MIGRATIONS: Final = Path(__file__).resolve().parents[2] / "migrations"

_NAME: Final = "alembic_version"
_HAS_VERSIONS: Final = {
    "sqlite": select(literal(1)).select_from(table("sqlite_master")).where(column("name") == _NAME),
    "postgresql": select(literal(1)).where(func.to_regclass(_NAME).is_not(None)),
}
_VERSIONS: Final = Statement(select(column("version_num")).select_from(table(_NAME)))


def newest() -> str:
    """The newest revision: the files of the one chain are numbered."""
    return max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


async def is_current(database: Database) -> bool:
    """Whether every revision was run."""
    async with database.read(EveryTenant("the schema is the installation's")) as connection:
        if not await connection.fetch(_HAS_VERSIONS[database.dialect]):
            return False
        return [row[0] for row in await connection.fetch(_VERSIONS)] == [newest()]
