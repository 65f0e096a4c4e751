"""The keys that stored text is sealed with, and what guards their destruction.

Each patient, couple and clinic has a key, wrapped under a key of its tenant, which is wrapped
under a root key. Emptying ``data_key.wrapped`` destroys a key: every version sealed with it is
then unreadable, wherever it was copied to.
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

tenant_key = Table(
    "tenant_key",
    metadata,
    Column("tenant", Integer, ForeignKey("tenant.id"), nullable=False),
    Column("key_id", Str, nullable=False),
    Column("root", Str, nullable=False),  # the root key that wraps it
    Column("wrapped", Blob, nullable=False),
    Column("created", Micros, nullable=False),
    Column("retired", Micros),  # wraps no new key
    PrimaryKeyConstraint("tenant", "key_id"),
)

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

# Files beside backups that hold the wrapped keys: each must lose what is destroyed.
key_copy = Table(
    "key_copy",
    metadata,
    Column("path", Str, primary_key=True),
    Column("written", Micros, nullable=False),
)

# How long a tenant keeps a record after the last procedure; without a row, the least.
retention = Table(
    "retention",
    metadata,
    Column("tenant", Integer, ForeignKey("tenant.id"), primary_key=True, autoincrement=False),
    Column("years", Integer, nullable=False),
)

legal_hold = Table(
    "legal_hold",
    metadata,
    Column("tenant", Integer, ForeignKey("tenant.id"), nullable=False),
    Column("hold_id", Str, nullable=False),
    Column("patient", Str, nullable=False),
    Column("reason", Str, nullable=False),
    Column("placed", Micros, nullable=False),
    Column("released", Micros),
    PrimaryKeyConstraint("tenant", "hold_id"),
    Index(None, "tenant", "patient"),
)

# One person asks for the destruction of a patient's key, another confirms it.
destruction = Table(
    "destruction",
    metadata,
    Column("tenant", Integer, ForeignKey("tenant.id"), nullable=False),
    Column("patient", Str, nullable=False),
    Column("asked_by", Str, nullable=False),
    Column("asked", Micros, nullable=False),
    Column("confirmed_by", Str),
    Column("confirmed", Micros),
    PrimaryKeyConstraint("tenant", "patient"),
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
