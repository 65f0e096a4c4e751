"""Brings a database to the newest schema, once, whoever else is trying.

Run with the owner's connection. On PostgreSQL the application's role is granted what it
needs and no more: the audit log it may read and add to, nothing else.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from app.core.clock import SystemClock
from app.db import append_only
from app.db.audit_partitions import make_partitions
from app.db.owner import connected
from app.db.schema import MIGRATIONS
from app.db.statistics import POSTGRESQL_STATISTICS, sqlite_statistics
from app.db.tables import metadata

_PARTITIONS = ("audit_event_", "resource_history_")
_LOCK = 0x5241_5050_4F52_54  # "RAPPORT"


def upgrade(owner_url: str, *, app_url: str) -> None:
    """Runs pending revisions and renews the application role's grants."""

    def run(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if connection.dialect.name == "postgresql":
            make_partitions(connection, now=SystemClock().now())
            if (connection.dialect.server_version_info or ()) >= (18,):
                connection.execute(text(POSTGRESQL_STATISTICS))
        else:
            for statement in sqlite_statistics():
                connection.execute(text(statement))
        role = urlsplit(app_url).username
        if connection.dialect.name == "postgresql" and role != urlsplit(owner_url).username:
            for statement in grants(str(role)):
                connection.execute(text(statement))
        connection.commit()

    with _alone(owner_url):
        connected(owner_url, run)


def grants(role: str) -> Iterator[str]:
    """What the application's role may do."""
    quoted = '"' + role.replace('"', '""') + '"'
    yield f"GRANT USAGE ON SCHEMA public TO {quoted}"
    for table in metadata.sorted_tables:
        yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table.name} TO {quoted}"
    yield from append_only.grants(role)
    yield f"GRANT SELECT ON alembic_version TO {quoted}"


@contextmanager
def _alone(url: str) -> Iterator[None]:
    if not url.startswith("sqlite:"):
        yield  # an advisory lock does it
        return
    path = Path(url.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".migrating").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_ours(
    _object: Any,
    name: str | None,
    kind: str,
    reflected: bool,  # noqa: FBT001 - Alembic's signature
    _compared: Any,
) -> bool:
    """Whether Alembic compares an object: partitions are no tables of the program's own."""
    return not (kind == "table" and reflected and (name or "").startswith(_PARTITIONS))
