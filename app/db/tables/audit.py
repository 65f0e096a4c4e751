"""The audit log's own tables, insert only; a row is rendered as an AuditEvent on read.

``audit_event`` is one row for each event and patient, keyed by its instant and a random
number that together are its id, so no index of ids is kept. A reference is the type's number
in the registry and an id (of a type not there: 0 and the whole reference); ``folded`` is the
agent's name as a search compares it. ``audit_pending`` names the rows
that the tree does not hold yet (a trigger fills it, the sequencer empties it): the only table
here from which rows are taken. ``audit_leaf`` gives each event its place in the one tree of
the installation and keeps what a leaf is made of when the event's own row has gone.
``audit_node`` holds the hashes of complete subtrees of 2^8, 2^16 … leaves.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    text,
)

from app.db.metadata import Blob, Micros, Str, metadata

audit_event = Table(
    "audit_event",
    metadata,
    Column("tenant", Integer, nullable=False),
    Column("recorded", Micros, nullable=False),
    Column("aid", BigInteger, nullable=False),
    Column("form", SmallInteger, nullable=False),
    Column("event", Str, nullable=False),
    Column("outcome", Str, nullable=False),
    Column("reason", Str),
    Column("site", Str, nullable=False),
    Column("actor_kind", SmallInteger),
    Column("actor_id", Str),
    Column("subject", Str),
    Column("name", Str),
    Column("role", Str),
    Column("client", Str),
    Column("client_name", Str),
    Column("issuer", Str),
    Column("token", Str),
    Column("address", Str),
    Column("purpose", Str),
    Column("entity_kind", SmallInteger),
    Column("entity_id", Str),
    Column("entity_version", Integer),
    Column("entity_name", Str),
    Column("patient", Str),
    Column("query", Str),
    Column("request", Str),
    Column("decision", Str),
    Column("basis", Str),
    Column("consent", Str),
    Column("consent_version", Integer),
    Column("provision", Str),
    Column("organization", Str),
    Column("detail", Str),
    Column("folded", Str),
    Column("salt", Blob, nullable=False),
    Column("commitment", Blob, nullable=False),
    PrimaryKeyConstraint("tenant", "recorded", "aid"),
    postgresql_partition_by="RANGE (recorded)",
    sqlite_with_rowid=False,
)


def _index(column: str) -> Index:
    value = audit_event.c[column]
    return Index(
        f"ix_audit_event_{column}",
        audit_event.c.tenant,
        value,
        audit_event.c.recorded,
        audit_event.c.aid,
        postgresql_where=value.is_not(None),
        sqlite_where=value.is_not(None),
    )


# Few records are of broken glass, and every one of them is looked for.
BREAK_GLASS = (
    "purpose = 'BTG' OR basis = 'break-glass' OR event = 'break-glass' "
    "OR event = 'break-glass-ended'"
)
Index(
    "ix_audit_event_break_glass",
    audit_event.c.tenant,
    audit_event.c.recorded,
    audit_event.c.aid,
    postgresql_where=text(BREAK_GLASS),
    sqlite_where=text(BREAK_GLASS),
)
# As few have a name for what they are about: a rotated key, a job, an alert.
Index(
    "ix_audit_event_entity_name",
    audit_event.c.tenant,
    audit_event.c.recorded,
    audit_event.c.aid,
    postgresql_where=audit_event.c.entity_name.is_not(None),
    sqlite_where=audit_event.c.entity_name.is_not(None),
)
SEARCHED = tuple(
    _index(column)
    for column in ("patient", "actor_id", "entity_id", "consent", "organization", "folded")
)
# What happened and how it ended are few: a search goes from one to the next. SQLite cannot, and
# would take the index where it should go by time: there it holds no rows.
Index(
    "ix_audit_event_event",
    audit_event.c.tenant,
    audit_event.c.event,
    audit_event.c.outcome,
    audit_event.c.recorded,
    audit_event.c.aid,
    sqlite_where=text("0"),
)

audit_pending = Table(
    "audit_pending",
    metadata,
    Column("recorded", Micros, nullable=False),
    Column("aid", BigInteger, nullable=False),
    Column("tenant", Integer, nullable=False),
    PrimaryKeyConstraint("recorded", "aid", "tenant"),
    sqlite_with_rowid=False,
)

audit_leaf = Table(
    "audit_leaf",
    metadata,
    Column("leaf_index", BigInteger, primary_key=True, autoincrement=False),
    Column("tenant", Integer, nullable=False),
    Column("recorded", Micros, nullable=False),
    Column("aid", BigInteger, nullable=False),
    Column("commitment", Blob, nullable=False),
    Index("ix_audit_leaf_event", "recorded", "aid"),
)

audit_node = Table(
    "audit_node",
    metadata,
    Column("level", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("hash", Blob, nullable=False),
    PrimaryKeyConstraint("level", "position"),
    sqlite_with_rowid=False,
)

audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("recorded", Micros, nullable=False),
    Column("root", Blob, nullable=False),
    Column("note", Str, nullable=False),
)

audit_key = Table(
    "audit_key",
    metadata,
    Column("id", Str, primary_key=True),
    Column("created", Micros, nullable=False),
    Column("origin", Str, nullable=False),
    Column("public", Blob, nullable=False),
    Column("sealed", Blob, nullable=False),
)
