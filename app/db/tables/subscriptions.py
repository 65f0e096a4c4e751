"""Who wants to be told of what, and what there was to tell: ids and numbers, nothing clinical."""

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


# How a Subscription stands, beside what its resource says: whose it is, how far it is told.
subscription = Table(
    "subscription",
    metadata,
    _tenant(),
    Column("id", Str, nullable=False),
    Column("topic", Str, nullable=False),
    Column("channel", Str, nullable=False),  # rest-hook, websocket
    Column("status", Str, nullable=False),  # requested, active, error, off
    Column("collects", SmallInteger, nullable=False),  # events are kept for it
    Column("filtered", SmallInteger, nullable=False),  # an event must meet its filters
    Column("client_id", Str, nullable=False),
    Column("account_id", Str, nullable=True),  # the person, where one wrote it
    Column("scope", Str, nullable=False),  # of the token that it was written with
    Column("patient", Str, nullable=True),  # in that token's context
    Column("sealed", Blob, nullable=True),  # the headers' values, under the root key
    Column("nonce", Blob, nullable=True),
    Column("number", BigInteger, nullable=False),  # of the last event
    Column("due", Micros, nullable=False),  # nothing is sent before
    Column("failures", Integer, nullable=False),
    Column("failing", Micros, nullable=True),  # since when
    Column("sent", Micros, nullable=False),
    Column("heartbeat", BigInteger, nullable=False),  # microseconds; 0: none
    Column("until", Micros, nullable=False),
    PrimaryKeyConstraint("tenant", "id"),
    Index(None, "tenant", "topic"),
)

# What happened and is to be told, or was. It has a number once it is.
subscription_event = Table(
    "subscription_event",
    metadata,
    _tenant(),
    Column("subscription", Str, nullable=False),
    Column("oid", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("id", Str, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", Micros, nullable=False),
    Column("state", SmallInteger, nullable=False),  # 0 to be matched, 1 waits, 2 told
    Column("number", BigInteger, nullable=True),
    PrimaryKeyConstraint("tenant", "subscription", "oid"),
    Index(None, "tenant", "subscription", "state", "number"),
    Index(None, "at"),
)

# What binds a socket to Subscriptions, once. It is met before the tenant is known.
subscription_token = Table(
    "subscription_token",
    metadata,
    Column("token_hash", Blob, primary_key=True),
    _tenant(),
    Column("subscriptions", Str, nullable=False),  # their ids, one a line
    Column("client_id", Str, nullable=False),
    Column("account_id", Str, nullable=True),
    Column("scope", Str, nullable=False),
    Column("patient", Str, nullable=True),
    Column("expires", Micros, nullable=False),
    Column("used", Micros, nullable=True),
    Index(None, "expires"),
)
