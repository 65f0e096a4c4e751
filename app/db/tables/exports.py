"""Bulk exports under way: who asked for what, and which row numbers each file stands for.

No record is copied. What was asked for may name people and what is looked for, so it is sealed
as a record is; of the rest nothing tells of anybody.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
)

from app.db.metadata import Blob, Micros, Str, metadata

export_job = Table(
    "export_job",
    metadata,
    Column("tenant", Integer, ForeignKey("tenant.id"), nullable=False),
    Column("id", Str, nullable=False),
    Column("client", Str, nullable=False),
    Column("started", Micros, nullable=False),
    Column("expires", Micros, nullable=False),
    Column("finished", Micros, nullable=True),
    Column("polled", Micros, nullable=False),
    # How far it is prepared: the part, and the row number below which it goes on.
    Column("part", Integer, nullable=False),
    Column("below", BigInteger, nullable=True),
    Column("body", Blob, nullable=False),
    Column("cipher", SmallInteger, nullable=False),
    Column("key_id", Str, nullable=True),
    Column("nonce", Blob, nullable=True),
    PrimaryKeyConstraint("tenant", "id"),
    Index(None, "finished", "started"),
    Index(None, "expires"),
)

# Rows of one type from ``down_to`` to before ``below``, or to the newest where that is absent.
export_file = Table(
    "export_file",
    metadata,
    Column("tenant", Integer, ForeignKey("tenant.id"), nullable=False),
    Column("job", Str, nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("deleted", SmallInteger, nullable=False),
    Column("below", BigInteger, nullable=True),
    Column("down_to", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "job", "number"),
)
