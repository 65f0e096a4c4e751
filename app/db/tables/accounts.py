"""Who may ask for a token: client systems, people, their credentials, and the signing keys.

The tenant leads every key. A ``client_id``, a username and a key id are met before the tenant
is known, so each is also unique over the whole installation. Secrets are hashed where they are
only compared, and sealed under the root key where they must be used again. Lists are JSON
texts; nobody searches inside them.
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


def _tenant() -> Column[int]:
    return Column("tenant", Integer, ForeignKey("tenant.id"), nullable=False)


client = Table(
    "client",
    metadata,
    _tenant(),
    Column("client_id", Str, nullable=False),
    Column("name", Str, nullable=False),
    Column("kind", Str, nullable=False),  # public, confidential, backend, resource-server
    Column("secret_hash", Blob, nullable=True),
    Column("jwks", Str, nullable=True),
    Column("jwks_url", Str, nullable=True),
    Column("redirect_uris", Str, nullable=False),
    Column("launch_uri", Str, nullable=True),
    Column("grants", Str, nullable=False),
    Column("scope", Str, nullable=False),
    Column("role", Str, nullable=False),
    Column("actor", Str, nullable=True),
    Column("purpose", Str, nullable=False),
    Column("clearance", Str, nullable=False),  # the highest confidentiality code it may see
    Column("enabled", SmallInteger, nullable=False),
    Column("generation", Integer, nullable=False),  # a change of rights makes old tokens void
    Column("created", Micros, nullable=False),
    PrimaryKeyConstraint("tenant", "client_id"),
    Index("ix_client_client_id", "client_id"),  # several clinics may share a program
)

# Keys sign for the installation, not for a tenant: one issuer, one key set.
signing_key = Table(
    "signing_key",
    metadata,
    Column("kid", Str, primary_key=True),
    Column("algorithm", Str, nullable=False),
    Column("public_jwk", Str, nullable=False),
    Column("sealed", Blob, nullable=False),
    Column("nonce", Blob, nullable=False),
    Column("created", Micros, nullable=False),
    Column("active", Micros, nullable=False),  # signs from then on
    Column("retired", Micros, nullable=True),  # no longer signs
    Column("removed", Micros, nullable=True),  # no longer published, its tokens are void
)

assertion_jti = Table(
    "assertion_jti",
    metadata,
    _tenant(),
    Column("client_id", Str, nullable=False),
    Column("jti_hash", Blob, nullable=False),
    Column("expires", Micros, nullable=False),
    PrimaryKeyConstraint("tenant", "client_id", "jti_hash"),
    Index(None, "expires"),
)

account = Table(
    "account",
    metadata,
    _tenant(),
    Column("account_id", Str, nullable=False),  # the subject of its tokens
    Column("username", Str, nullable=False),
    Column("folded", Str, nullable=False),
    Column("name", Str, nullable=False),
    Column("role", Str, nullable=False),
    Column("fhir_user", Str, nullable=True),
    Column("email", Str, nullable=True),
    Column("locale", Str, nullable=False),
    Column("password_hash", Str, nullable=True),
    Column("password_changed", Micros, nullable=True),
    Column("enabled", SmallInteger, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created", Micros, nullable=False),
    PrimaryKeyConstraint("tenant", "account_id"),
    Index("uq_account_folded", "folded", unique=True),
    Index(None, "tenant", "fhir_user"),
)

totp = Table(
    "totp",
    metadata,
    _tenant(),
    Column("account_id", Str, nullable=False),
    Column("sealed", Blob, nullable=False),
    Column("nonce", Blob, nullable=False),
    Column("confirmed", Micros, nullable=False),
    Column("last_step", BigInteger, nullable=False),  # a code is good once
    PrimaryKeyConstraint("tenant", "account_id"),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    _tenant(),
    Column("account_id", Str, nullable=False),
    Column("code_hash", Blob, nullable=False),
    Column("used", Micros, nullable=True),
    PrimaryKeyConstraint("tenant", "account_id", "code_hash"),
)

passkey = Table(
    "passkey",
    metadata,
    _tenant(),
    Column("account_id", Str, nullable=False),
    Column("credential_id", Blob, nullable=False),
    Column("public_key", Blob, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", Str, nullable=False),
    Column("created", Micros, nullable=False),
    Column("last_used", Micros, nullable=True),
    PrimaryKeyConstraint("tenant", "account_id", "credential_id"),
    Index("uq_passkey_credential_id", "credential_id", unique=True),
)

identity_provider = Table(
    "identity_provider",
    metadata,
    _tenant(),
    Column("issuer", Str, nullable=False),
    Column("name", Str, nullable=False),
    Column("client_id", Str, nullable=False),
    Column("sealed", Blob, nullable=True),  # the client secret
    Column("nonce", Blob, nullable=True),
    Column("role_claim", Str, nullable=False),
    Column("role_map", Str, nullable=False),
    Column("enabled", SmallInteger, nullable=False),
    Column("created", Micros, nullable=False),
    PrimaryKeyConstraint("tenant", "issuer"),
)

external_identity = Table(
    "external_identity",
    metadata,
    _tenant(),
    Column("issuer", Str, nullable=False),
    Column("subject", Str, nullable=False),
    Column("account_id", Str, nullable=False),
    Column("created", Micros, nullable=False),
    PrimaryKeyConstraint("tenant", "issuer", "subject"),
    Index(None, "tenant", "account_id"),
)

# A bucket is an account or a network address, hashed; an address has no tenant.
login_failure = Table(
    "login_failure",
    metadata,
    Column("bucket", Str, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last", Micros, nullable=False),
    Column("blocked_until", Micros, nullable=False),
)
