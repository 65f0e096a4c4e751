"""Work that follows a write, and the leases that decide who does it. Rows carry ids only."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
)

from app.db.metadata import Micros, Str, metadata

outbox = Table(
    "outbox",
    metadata,
    Column("tenant", Integer, nullable=False),
    Column("oid", BigInteger, nullable=False),
    Column("reaction", Str, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("id", Str, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created", Micros, nullable=False),
    Column("due", Micros, nullable=False),
    Column("attempts", Integer, nullable=False),
    PrimaryKeyConstraint("tenant", "oid"),
    Index(None, "due", "oid"),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Str, primary_key=True),
    Column("holder", Str, nullable=False),
    Column("until", Micros, nullable=False),
)

allocator = Table(
    "allocator",
    metadata,
    Column("name", Str, primary_key=True),
    Column("next", BigInteger, nullable=False),
)
