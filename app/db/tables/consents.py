"""What people decided, as rows that queries join: the rules of active Consents and who is who.

``consent_rule`` has one row for each rule of an active Consent, actor and datum that the rule
names (``domain/consent``); rows come and go with the Consent, in its own transaction. Lists are
texts between line ends. ``membership`` says who belongs to what an actor can be. ``broken_glass``
are the emergencies that were declared. References are ``Type/id``; periods end before their end.
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

from app.db.metadata import Micros, Str, metadata

consent_rule = Table(
    "consent_rule",
    metadata,
    Column("tenant", Integer, ForeignKey("tenant.id"), nullable=False),
    Column("patient", Str, nullable=False),
    Column("consent", Str, nullable=False),
    Column("n", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("path", Str, nullable=False),  # of the provision
    Column("permit", SmallInteger, nullable=False),
    Column("closes", SmallInteger, nullable=False),  # a denial, or partial
    Column("weight", SmallInteger, nullable=False),
    Column("partial", SmallInteger, nullable=False),  # a root that permits some of the data only
    Column("actor", Str, nullable=False),  # empty: anybody
    Column("actions", Str, nullable=False),  # empty: all, and so on
    Column("purposes", Str, nullable=False),
    Column("classes", Str, nullable=False),
    Column("code", Str, nullable=False),
    Column("rank", SmallInteger),
    Column("sensitivity", BigInteger, nullable=False),
    Column("labelled", SmallInteger, nullable=False),
    Column("notes", SmallInteger, nullable=False),  # may open a psychotherapy note
    Column("meaning", Str, nullable=False),
    Column("data_kind", SmallInteger, nullable=False),
    Column("data_id", Str, nullable=False),
    Column("since", Micros, nullable=False),
    Column("until", Micros, nullable=False),
    Column("data_since", Micros),
    Column("data_until", Micros),
    PrimaryKeyConstraint("tenant", "patient", "consent", "n"),
    Index(None, "tenant", "actor", "closes", "permit", "patient"),
    Index(None, "tenant", "consent"),
    sqlite_with_rowid=False,
)

membership = Table(
    "membership",
    metadata,
    Column("tenant", Integer, ForeignKey("tenant.id"), nullable=False),
    Column("stated_by", Str, nullable=False),
    Column("n", Integer, nullable=False),
    Column("owner", Str, nullable=False),
    Column("member", Str, nullable=False),
    Column("since", Micros, nullable=False),
    Column("until", Micros, nullable=False),
    PrimaryKeyConstraint("tenant", "stated_by", "n"),
    Index(None, "tenant", "member"),
    Index(None, "tenant", "owner"),
    sqlite_with_rowid=False,
)

broken_glass = Table(
    "broken_glass",
    metadata,
    Column("tenant", Integer, ForeignKey("tenant.id"), nullable=False),
    Column("actor", Str, nullable=False),
    Column("patient", Str, nullable=False),
    Column("since", Micros, nullable=False),
    Column("until", Micros, nullable=False),
    Column("reason", Str, nullable=False),
    PrimaryKeyConstraint("tenant", "actor", "patient", "since"),
    sqlite_with_rowid=False,
)
