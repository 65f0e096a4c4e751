"""What the clinic's work needs beside its records: published figures, answer links, long jobs."""

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


def _tenant() -> Column[int]:
    return Column("tenant", Integer, ForeignKey("tenant.id"), nullable=False)


# Figures that were told, under pseudonyms: what is told next must not differ by one client.
aggregate_release = Table(
    "aggregate_release",
    metadata,
    _tenant(),
    Column("cell", Str, nullable=False),
    Column("number", Integer, nullable=False),
    Column("released", Micros, nullable=False),
    Column("body", Blob, nullable=False),
    PrimaryKeyConstraint("tenant", "cell", "number"),
)

# A link to one form for one person. The link is met before the tenant is known, so the SHA-256
# of its token is the key; using it is one ``UPDATE … WHERE used IS NULL``.
answer_link = Table(
    "answer_link",
    metadata,
    Column("token_hash", Blob, primary_key=True),
    _tenant(),
    Column("task", Str, nullable=False),
    Column("kiosk", SmallInteger, nullable=False),
    Column("created", Micros, nullable=False),
    Column("expires", Micros, nullable=False),
    Column("used", Micros, nullable=True),
    Column("who", Str, nullable=True),
    Index(None, "tenant", "task"),
    Index(None, "expires"),
)

# How far a job has come, so that it goes on where it was stopped.
job = Table(
    "job",
    metadata,
    _tenant(),
    Column("name", Str, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("started", Micros, nullable=False),
    Column("updated", Micros, nullable=False),
    PrimaryKeyConstraint("tenant", "name"),
)

# What became of a card of CDS Hooks in a record system. The card's uuid follows from what it was
# about; nothing here says whose it was or what was written.
cds_feedback = Table(
    "cds_feedback",
    metadata,
    _tenant(),
    Column("card", Str, nullable=False),
    Column("client_id", Str, nullable=False),
    Column("at", Micros, nullable=False),
    Column("outcome", Str, nullable=False),
    Column("reason", Str, nullable=True),
    Column("received", Micros, nullable=False),
    PrimaryKeyConstraint("tenant", "card", "client_id", "at"),
)
