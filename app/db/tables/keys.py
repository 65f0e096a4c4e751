"""The keys that stored text is sealed with: one for each patient, couple and clinic.

A key is wrapped under its tenant's key, which follows from the root key. Emptying ``wrapped``
destroys it: every version sealed with it is then unreadable, wherever it was copied to.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    select,
)

from app.db.metadata import Blob, Micros, Str, metadata

data_key = Table(
    "data_key",
    metadata,
    Column("tenant", Integer, ForeignKey("tenant.id"), nullable=False),
    Column("key_id", Str, nullable=False),
    Column("owner", Str, nullable=False),
    Column("wrapped", Blob, nullable=False),
    Column("created", Micros, nullable=False),
    Column("destroyed", Micros),
    PrimaryKeyConstraint("tenant", "key_id"),
    Index(None, "tenant", "owner"),
    sqlite_with_rowid=False,
)


def readable(table: FromClause, name: str) -> ColumnElement[Any]:
    """A column of stored versions for reading; for ``key_id`` the wrapped key itself."""
    if name != "key_id":
        return table.c[name]
    return (
        select(data_key.c.wrapped)
        .where(data_key.c.tenant == table.c.tenant, data_key.c.key_id == table.c.key_id)
        .correlate(table)
        .scalar_subquery()
        .label("key_id")
    )
