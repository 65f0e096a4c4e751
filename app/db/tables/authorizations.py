"""What was granted: tokens, the grants behind them, and the steps that lead to one.

Codes, refresh tokens, cookies and links are random and met before the tenant is known: their
SHA-256 is the key, and the tenant a column. Each single use is one ``UPDATE … WHERE used IS
NULL`` or one unique insert, so no restart and no race can replay it.
"""

from __future__ import annotations

from sqlalchemy import (
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


# A person's permission to one client, with its launch context; codes and tokens hang on it.
access_grant = Table(
    "access_grant",
    metadata,
    _tenant(),
    Column("grant_id", Str, nullable=False),
    Column("client_id", Str, nullable=False),
    Column("account_id", Str, nullable=False),
    Column("scope", Str, nullable=False),
    Column("patient", Str, nullable=True),
    Column("encounter", Str, nullable=True),
    Column("intent", Str, nullable=True),
    Column("session_hash", Blob, nullable=True),  # online_access ends with this session
    Column("client_generation", Integer, nullable=False),
    Column("account_generation", Integer, nullable=False),
    Column("auth_time", Micros, nullable=False),
    Column("amr", Str, nullable=False),
    Column("nonce", Str, nullable=True),
    Column("created", Micros, nullable=False),
    Column("expires", Micros, nullable=False),
    Column("revoked", Micros, nullable=True),
    PrimaryKeyConstraint("tenant", "grant_id"),
    Index(None, "tenant", "account_id"),
    Index(None, "expires"),
)

# An access token is good only while its row is: a stolen signing key alone opens nothing.
issued_token = Table(
    "issued_token",
    metadata,
    _tenant(),
    Column("token_id", Str, nullable=False),
    Column("client_id", Str, nullable=False),
    Column("grant_id", Str, nullable=True),
    Column("kid", Str, nullable=False),
    Column("client_generation", Integer, nullable=False),
    Column("expires", Micros, nullable=False),
    Column("revoked", Micros, nullable=True),
    PrimaryKeyConstraint("tenant", "token_id"),
    Index(None, "expires"),
)

authorization_code = Table(
    "authorization_code",
    metadata,
    Column("code_hash", Blob, primary_key=True),
    _tenant(),
    Column("grant_id", Str, nullable=False),
    Column("client_id", Str, nullable=False),
    Column("redirect_uri", Str, nullable=False),
    Column("challenge", Str, nullable=False),
    Column("expires", Micros, nullable=False),
    Column("used", Micros, nullable=True),
    Index(None, "expires"),
)

refresh_token = Table(
    "refresh_token",
    metadata,
    Column("token_hash", Blob, primary_key=True),
    _tenant(),
    Column("grant_id", Str, nullable=False),
    Column("expires", Micros, nullable=False),
    Column("used", Micros, nullable=True),
    Index(None, "expires"),
)

launch_context = Table(
    "launch_context",
    metadata,
    Column("launch_hash", Blob, primary_key=True),
    _tenant(),
    Column("client_id", Str, nullable=False),
    Column("patient", Str, nullable=True),
    Column("encounter", Str, nullable=True),
    Column("intent", Str, nullable=True),
    Column("created", Micros, nullable=False),
    Column("expires", Micros, nullable=False),
    Column("used", Micros, nullable=True),
    Index(None, "expires"),
)

browser_session = Table(
    "browser_session",
    metadata,
    Column("session_hash", Blob, primary_key=True),
    _tenant(),
    Column("account_id", Str, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created", Micros, nullable=False),
    Column("last_seen", Micros, nullable=False),
    Column("expires", Micros, nullable=False),
    Column("auth_time", Micros, nullable=False),
    Column("amr", Str, nullable=False),
    Column("pending", SmallInteger, nullable=False),  # the second factor is still owed
    Column("ended", Micros, nullable=True),
    Index(None, "tenant", "account_id"),
    Index(None, "expires"),
)

# An invitation, a password reset: a link that works once.
account_link = Table(
    "account_link",
    metadata,
    Column("link_hash", Blob, primary_key=True),
    _tenant(),
    Column("purpose", Str, nullable=False),  # invitation, reset
    Column("account_id", Str, nullable=False),
    Column("created", Micros, nullable=False),
    Column("expires", Micros, nullable=False),
    Column("used", Micros, nullable=True),
    Index(None, "tenant", "account_id"),
    Index(None, "expires"),
)

# A sign-in that is under way at another identity provider, or a passkey challenge.
sign_in_state = Table(
    "sign_in_state",
    metadata,
    Column("state_hash", Blob, primary_key=True),
    _tenant(),
    Column("issuer", Str, nullable=False),
    Column("secrets", Str, nullable=False),  # nonce, verifier, challenge
    Column("destination", Str, nullable=False),
    Column("expires", Micros, nullable=False),
    Column("used", Micros, nullable=True),
    Index(None, "expires"),
)
