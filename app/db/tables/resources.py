"""What is stored: the current version of each resource, its superseded versions, whose it is.

The tenant leads every key. ``rid`` stands for one logical resource over all its versions and
never leaves the server. The text is bytes sealed by a codec (``cipher``, ``key_id``,
``nonce``); each row has one ``key_owner``: ``Patient/x``, ``Group/x`` or ``tenant``.
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
    UniqueConstraint,
)

from app.db.metadata import Blob, Micros, Str, metadata

tenant = Table(
    "tenant",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("slug", Str, nullable=False, unique=True),
    Column("name", Str, nullable=False),
    Column("created", Micros, nullable=False),
    Column("suspended", SmallInteger, nullable=False, server_default="0"),
    # What holds where a patient has said nothing: ``domain/consent/implicit.py``.
    Column("policy", Str, nullable=False, server_default="clinic"),
    # By whose clock it is night: a name of the IANA time zone database.
    Column("zone", Str, nullable=False, server_default="UTC"),
)


def _version_columns() -> list[Column[object]]:
    return [
        Column("tenant", Integer, ForeignKey("tenant.id"), nullable=False),
        Column("kind", SmallInteger, nullable=False),
        Column("id", Str, nullable=False),
        Column("rid", BigInteger, nullable=False),
        Column("version", Integer, nullable=False),
        Column("updated", Micros, nullable=False),
        Column("deleted", SmallInteger, nullable=False),
        Column("interaction", SmallInteger, nullable=False),
        Column("body", Blob, nullable=False),
        Column("cipher", SmallInteger, nullable=False),
        Column("key_id", Str, nullable=True),
        Column("nonce", Blob, nullable=True),
        Column("key_owner", Str, nullable=False),
        Column("confidentiality", SmallInteger, nullable=False),
        Column("sensitivity", BigInteger, nullable=False),
        Column("data_class", Str, nullable=True),
    ]


resource = Table(
    "resource",
    metadata,
    *_version_columns(),
    PrimaryKeyConstraint("tenant", "kind", "id"),
    UniqueConstraint("tenant", "rid"),
    Index(None, "tenant", "kind", "deleted", "rid"),
    Index(None, "tenant", "kind", "updated", "rid"),
    Index(None, "tenant", "kind", "confidentiality", "sensitivity"),
    Index(None, "tenant", "data_class"),
)

resource_history = Table(
    "resource_history",
    metadata,
    *_version_columns(),
    PrimaryKeyConstraint("tenant", "rid", "version"),
    Index(None, "tenant", "kind", "updated", "rid"),
    # Not by time: a version is asked for by its resource, and leaves with its patient.
    postgresql_partition_by="HASH (rid)",
)

# An owner that is not a type: somebody in the Group that a row is about.
JOINT = -1

compartment = Table(
    "compartment",
    metadata,
    Column("tenant", Integer, nullable=False),
    Column("owner_kind", SmallInteger, nullable=False),
    Column("owner_id", Str, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("rid", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "owner_kind", "owner_id", "kind", "rid"),
    # With the owners in it: else PostgreSQL skips through the key's, for the kind that is in it.
    Index(None, "tenant", "rid", "owner_kind", "owner_id"),
    sqlite_with_rowid=False,
)

resource_author = Table(
    "resource_author",
    metadata,
    Column("tenant", Integer, nullable=False),
    Column("author_kind", SmallInteger, nullable=False),
    Column("author_id", Str, nullable=False),
    Column("rid", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "author_kind", "author_id", "rid"),
    Index(None, "tenant", "rid"),
    sqlite_with_rowid=False,
)
