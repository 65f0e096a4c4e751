"""The first schema: resources, their index, the queue, the audit log, accounts.

Fixed here because everything else stands on it: the tenant leads every key, stored text is
bytes with cipher, key id and nonce, every row has one key owner, and the audit log is
append-only.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import append_only

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the schema to this revision."""
    op.create_table(
        "allocator",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_allocator")),
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoint")),
    )
    op.create_table(
        "audit_event",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.Column("aid", sa.BigInteger(), nullable=False),
        sa.Column("form", sa.SmallInteger(), nullable=False),
        sa.Column("event", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("actor_kind", sa.SmallInteger(), nullable=True),
        sa.Column("actor_id", TEXT, nullable=True),
        sa.Column("subject", TEXT, nullable=True),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("role", TEXT, nullable=True),
        sa.Column("client", TEXT, nullable=True),
        sa.Column("client_name", TEXT, nullable=True),
        sa.Column("issuer", TEXT, nullable=True),
        sa.Column("token", TEXT, nullable=True),
        sa.Column("address", TEXT, nullable=True),
        sa.Column("purpose", TEXT, nullable=True),
        sa.Column("entity_kind", sa.SmallInteger(), nullable=True),
        sa.Column("entity_id", TEXT, nullable=True),
        sa.Column("entity_version", sa.Integer(), nullable=True),
        sa.Column("entity_name", TEXT, nullable=True),
        sa.Column("patient", TEXT, nullable=True),
        sa.Column("query", TEXT, nullable=True),
        sa.Column("request", TEXT, nullable=True),
        sa.Column("decision", TEXT, nullable=True),
        sa.Column("basis", TEXT, nullable=True),
        sa.Column("consent", TEXT, nullable=True),
        sa.Column("consent_version", sa.Integer(), nullable=True),
        sa.Column("provision", TEXT, nullable=True),
        sa.Column("organization", TEXT, nullable=True),
        sa.Column("detail", TEXT, nullable=True),
        sa.Column("folded", TEXT, nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "recorded", "aid", name=op.f("pk_audit_event")),
        postgresql_partition_by="RANGE (recorded)",
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_audit_event_actor_id",
        "audit_event",
        ["tenant", "actor_id", "recorded", "aid"],
        unique=False,
        postgresql_where=sa.text("actor_id IS NOT NULL"),
        sqlite_where=sa.text("actor_id IS NOT NULL"),
    )
    glass = (
        "purpose = 'BTG' OR basis = 'break-glass' OR event = 'break-glass' "
        "OR event = 'break-glass-ended'"
    )
    op.create_index(
        "ix_audit_event_break_glass",
        "audit_event",
        ["tenant", "recorded", "aid"],
        unique=False,
        postgresql_where=sa.text(glass),
        sqlite_where=sa.text(glass),
    )
    op.create_index(
        "ix_audit_event_consent",
        "audit_event",
        ["tenant", "consent", "recorded", "aid"],
        unique=False,
        postgresql_where=sa.text("consent IS NOT NULL"),
        sqlite_where=sa.text("consent IS NOT NULL"),
    )
    op.create_index(
        "ix_audit_event_entity_id",
        "audit_event",
        ["tenant", "entity_id", "recorded", "aid"],
        unique=False,
        postgresql_where=sa.text("entity_id IS NOT NULL"),
        sqlite_where=sa.text("entity_id IS NOT NULL"),
    )
    op.create_index(
        "ix_audit_event_organization",
        "audit_event",
        ["tenant", "organization", "recorded", "aid"],
        unique=False,
        postgresql_where=sa.text("organization IS NOT NULL"),
        sqlite_where=sa.text("organization IS NOT NULL"),
    )
    op.create_index(
        "ix_audit_event_patient",
        "audit_event",
        ["tenant", "patient", "recorded", "aid"],
        unique=False,
        postgresql_where=sa.text("patient IS NOT NULL"),
        sqlite_where=sa.text("patient IS NOT NULL"),
    )
    op.create_table(
        "audit_key",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_key")),
    )
    op.create_table(
        "audit_leaf",
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.Column("aid", sa.BigInteger(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("leaf_index", name=op.f("pk_audit_leaf")),
    )
    op.create_index("ix_audit_leaf_event", "audit_leaf", ["recorded", "aid"], unique=False)
    op.create_table(
        "audit_node",
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name=op.f("pk_audit_node")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit_pending",
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.Column("aid", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("recorded", "aid", "tenant", name=op.f("pk_audit_pending")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "compartment",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("owner_kind", sa.SmallInteger(), nullable=False),
        sa.Column("owner_id", TEXT, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "owner_kind", "owner_id", "kind", "rid", name=op.f("pk_compartment")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_compartment_tenant_rid"), "compartment", ["tenant", "rid"], unique=False
    )
    op.create_table(
        "idx_date",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "rid", "param", "n", name=op.f("pk_idx_date")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_idx_date_high", "idx_date", ["tenant", "param", "high", "rid"], unique=False
    )
    op.create_index(
        "ix_idx_date_low",
        "idx_date",
        ["tenant", "param", "low", "high", "rid", "position"],
        unique=False,
    )
    op.create_table(
        "idx_quantity",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("low", TEXT, nullable=False),
        sa.Column("high", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sa.Column("system", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "rid", "param", "n", name=op.f("pk_idx_quantity")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_idx_quantity_high", "idx_quantity", ["tenant", "param", "high", "rid"], unique=False
    )
    op.create_index(
        "ix_idx_quantity_low",
        "idx_quantity",
        ["tenant", "param", "low", "high", "rid", "position"],
        unique=False,
    )
    op.create_table(
        "idx_reference",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("target_kind", sa.SmallInteger(), nullable=False),
        sa.Column("target_id", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("tenant", "rid", "param", "n", name=op.f("pk_idx_reference")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_idx_reference_target_id",
        "idx_reference",
        ["tenant", "param", "target_id", "rid", "target_kind", "position"],
        unique=False,
    )
    op.create_table(
        "idx_string",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("folded", TEXT, nullable=False),
        sa.Column("exact", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "rid", "param", "n", name=op.f("pk_idx_string")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_idx_string_folded",
        "idx_string",
        ["tenant", "param", "folded", "rid", "position"],
        unique=False,
    )
    op.create_table(
        "idx_token",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sa.Column("system", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "rid", "param", "n", name=op.f("pk_idx_token")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_idx_token_code",
        "idx_token",
        ["tenant", "param", "code", "rid", "system", "position"],
        unique=False,
    )
    op.create_table(
        "idx_uri",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.Column("param", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "rid", "param", "n", name=op.f("pk_idx_uri")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_idx_uri_value", "idx_uri", ["tenant", "param", "value", "rid", "position"], unique=False
    )
    op.create_table(
        "installation",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_installation")),
    )
    op.create_table(
        "lease",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "login_failure",
        sa.Column("bucket", TEXT, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("blocked_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name=op.f("pk_login_failure")),
    )
    op.create_table(
        "outbox",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("oid", sa.BigInteger(), nullable=False),
        sa.Column("reaction", TEXT, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "oid", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_due_oid"), "outbox", ["due", "oid"], unique=False)
    op.create_table(
        "resource_author",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("author_kind", sa.SmallInteger(), nullable=False),
        sa.Column("author_id", TEXT, nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant", "author_kind", "author_id", "rid", name=op.f("pk_resource_author")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_resource_author_tenant_rid"), "resource_author", ["tenant", "rid"], unique=False
    )
    op.create_table(
        "signing_key",
        sa.Column("kid", TEXT, nullable=False),
        sa.Column("algorithm", TEXT, nullable=False),
        sa.Column("public_jwk", TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.BigInteger(), nullable=False),
        sa.Column("retired", sa.BigInteger(), nullable=True),
        sa.Column("removed", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_key")),
    )
    op.create_table(
        "tenant",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("slug", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("suspended", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("policy", TEXT, server_default="clinic", nullable=False),
        sa.Column("zone", TEXT, server_default="UTC", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant")),
        sa.UniqueConstraint("slug", name=op.f("uq_tenant_slug")),
    )
    op.create_table(
        "access_grant",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("grant_id", TEXT, nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("patient", TEXT, nullable=True),
        sa.Column("encounter", TEXT, nullable=True),
        sa.Column("intent", TEXT, nullable=True),
        sa.Column("session_hash", sa.LargeBinary(), nullable=True),
        sa.Column("client_generation", sa.Integer(), nullable=False),
        sa.Column("account_generation", sa.Integer(), nullable=False),
        sa.Column("auth_time", sa.BigInteger(), nullable=False),
        sa.Column("amr", TEXT, nullable=False),
        sa.Column("nonce", TEXT, nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_access_grant_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant", "grant_id", name=op.f("pk_access_grant")),
    )
    op.create_index(op.f("ix_access_grant_expires"), "access_grant", ["expires"], unique=False)
    op.create_index(
        op.f("ix_access_grant_tenant_account_id"),
        "access_grant",
        ["tenant", "account_id"],
        unique=False,
    )
    op.create_table(
        "account",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("username", TEXT, nullable=False),
        sa.Column("folded", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("fhir_user", TEXT, nullable=True),
        sa.Column("email", TEXT, nullable=True),
        sa.Column("locale", TEXT, nullable=False),
        sa.Column("password_hash", TEXT, nullable=True),
        sa.Column("password_changed", sa.BigInteger(), nullable=True),
        sa.Column("enabled", sa.SmallInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name=op.f("fk_account_tenant_tenant")),
        sa.PrimaryKeyConstraint("tenant", "account_id", name=op.f("pk_account")),
    )
    op.create_index(
        op.f("ix_account_tenant_fhir_user"), "account", ["tenant", "fhir_user"], unique=False
    )
    op.create_index("uq_account_folded", "account", ["folded"], unique=True)
    op.create_table(
        "account_link",
        sa.Column("link_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_account_link_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("link_hash", name=op.f("pk_account_link")),
    )
    op.create_index(op.f("ix_account_link_expires"), "account_link", ["expires"], unique=False)
    op.create_index(
        op.f("ix_account_link_tenant_account_id"),
        "account_link",
        ["tenant", "account_id"],
        unique=False,
    )
    op.create_table(
        "assertion_jti",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("jti_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_assertion_jti_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant", "client_id", "jti_hash", name=op.f("pk_assertion_jti")),
    )
    op.create_index(op.f("ix_assertion_jti_expires"), "assertion_jti", ["expires"], unique=False)
    op.create_table(
        "authorization_code",
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("grant_id", TEXT, nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("redirect_uri", TEXT, nullable=False),
        sa.Column("challenge", TEXT, nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_authorization_code_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_authorization_code")),
    )
    op.create_index(
        op.f("ix_authorization_code_expires"), "authorization_code", ["expires"], unique=False
    )
    op.create_table(
        "broken_glass",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("patient", TEXT, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_broken_glass_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint(
            "tenant", "actor", "patient", "since", name=op.f("pk_broken_glass")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "browser_session",
        sa.Column("session_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("auth_time", sa.BigInteger(), nullable=False),
        sa.Column("amr", TEXT, nullable=False),
        sa.Column("pending", sa.SmallInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_browser_session_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("session_hash", name=op.f("pk_browser_session")),
    )
    op.create_index(
        op.f("ix_browser_session_expires"), "browser_session", ["expires"], unique=False
    )
    op.create_index(
        op.f("ix_browser_session_tenant_account_id"),
        "browser_session",
        ["tenant", "account_id"],
        unique=False,
    )
    op.create_table(
        "client",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=True),
        sa.Column("jwks", TEXT, nullable=True),
        sa.Column("jwks_url", TEXT, nullable=True),
        sa.Column("redirect_uris", TEXT, nullable=False),
        sa.Column("launch_uri", TEXT, nullable=True),
        sa.Column("grants", TEXT, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=True),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("clearance", TEXT, nullable=False),
        sa.Column("enabled", sa.SmallInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name=op.f("fk_client_tenant_tenant")),
        sa.PrimaryKeyConstraint("tenant", "client_id", name=op.f("pk_client")),
    )
    op.create_index("ix_client_client_id", "client", ["client_id"], unique=False)
    op.create_table(
        "consent_rule",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("patient", TEXT, nullable=False),
        sa.Column("consent", TEXT, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("permit", sa.SmallInteger(), nullable=False),
        sa.Column("closes", sa.SmallInteger(), nullable=False),
        sa.Column("weight", sa.SmallInteger(), nullable=False),
        sa.Column("partial", sa.SmallInteger(), nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("actions", TEXT, nullable=False),
        sa.Column("purposes", TEXT, nullable=False),
        sa.Column("classes", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=True),
        sa.Column("sensitivity", sa.BigInteger(), nullable=False),
        sa.Column("labelled", sa.SmallInteger(), nullable=False),
        sa.Column("notes", sa.SmallInteger(), nullable=False),
        sa.Column("meaning", TEXT, nullable=False),
        sa.Column("data_kind", sa.SmallInteger(), nullable=False),
        sa.Column("data_id", TEXT, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("data_since", sa.BigInteger(), nullable=True),
        sa.Column("data_until", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_consent_rule_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant", "patient", "consent", "n", name=op.f("pk_consent_rule")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_consent_rule_tenant_actor_closes_permit_patient"),
        "consent_rule",
        ["tenant", "actor", "closes", "permit", "patient"],
        unique=False,
    )
    op.create_index(
        op.f("ix_consent_rule_tenant_consent"), "consent_rule", ["tenant", "consent"], unique=False
    )
    op.create_table(
        "external_identity",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_external_identity_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant", "issuer", "subject", name=op.f("pk_external_identity")),
    )
    op.create_index(
        op.f("ix_external_identity_tenant_account_id"),
        "external_identity",
        ["tenant", "account_id"],
        unique=False,
    )
    op.create_table(
        "identity_provider",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("nonce", sa.LargeBinary(), nullable=True),
        sa.Column("role_claim", TEXT, nullable=False),
        sa.Column("role_map", TEXT, nullable=False),
        sa.Column("enabled", sa.SmallInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_identity_provider_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant", "issuer", name=op.f("pk_identity_provider")),
    )
    op.create_table(
        "issued_token",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("token_id", TEXT, nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("grant_id", TEXT, nullable=True),
        sa.Column("kid", TEXT, nullable=False),
        sa.Column("client_generation", sa.Integer(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_issued_token_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant", "token_id", name=op.f("pk_issued_token")),
    )
    op.create_index(op.f("ix_issued_token_expires"), "issued_token", ["expires"], unique=False)
    op.create_table(
        "launch_context",
        sa.Column("launch_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("patient", TEXT, nullable=True),
        sa.Column("encounter", TEXT, nullable=True),
        sa.Column("intent", TEXT, nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_launch_context_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("launch_hash", name=op.f("pk_launch_context")),
    )
    op.create_index(op.f("ix_launch_context_expires"), "launch_context", ["expires"], unique=False)
    op.create_table(
        "membership",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("stated_by", TEXT, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("member", TEXT, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_membership_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant", "stated_by", "n", name=op.f("pk_membership")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_membership_tenant_member"), "membership", ["tenant", "member"], unique=False
    )
    op.create_index(
        op.f("ix_membership_tenant_owner"), "membership", ["tenant", "owner"], unique=False
    )
    op.create_table(
        "passkey",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("last_used", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name=op.f("fk_passkey_tenant_tenant")),
        sa.PrimaryKeyConstraint("tenant", "account_id", "credential_id", name=op.f("pk_passkey")),
    )
    op.create_index("uq_passkey_credential_id", "passkey", ["credential_id"], unique=True)
    op.create_table(
        "recovery_code",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_recovery_code_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant", "account_id", "code_hash", name=op.f("pk_recovery_code")),
    )
    op.create_table(
        "refresh_token",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("grant_id", TEXT, nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_refresh_token_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_refresh_token")),
    )
    op.create_index(op.f("ix_refresh_token_expires"), "refresh_token", ["expires"], unique=False)
    op.create_table(
        "resource",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.SmallInteger(), nullable=False),
        sa.Column("interaction", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("cipher", sa.SmallInteger(), nullable=False),
        sa.Column("key_id", TEXT, nullable=True),
        sa.Column("nonce", sa.LargeBinary(), nullable=True),
        sa.Column("key_owner", TEXT, nullable=False),
        sa.Column("confidentiality", sa.SmallInteger(), nullable=False),
        sa.Column("sensitivity", sa.BigInteger(), nullable=False),
        sa.Column("data_class", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name=op.f("fk_resource_tenant_tenant")),
        sa.PrimaryKeyConstraint("tenant", "kind", "id", name=op.f("pk_resource")),
        sa.UniqueConstraint("tenant", "rid", name=op.f("uq_resource_tenant_rid")),
    )
    op.create_index(
        op.f("ix_resource_tenant_data_class"), "resource", ["tenant", "data_class"], unique=False
    )
    op.create_index(
        op.f("ix_resource_tenant_kind_confidentiality_sensitivity"),
        "resource",
        ["tenant", "kind", "confidentiality", "sensitivity"],
        unique=False,
    )
    op.create_index(
        op.f("ix_resource_tenant_kind_deleted_rid"),
        "resource",
        ["tenant", "kind", "deleted", "rid"],
        unique=False,
    )
    op.create_index(
        op.f("ix_resource_tenant_kind_updated_rid"),
        "resource",
        ["tenant", "kind", "updated", "rid"],
        unique=False,
    )
    op.create_table(
        "resource_history",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.SmallInteger(), nullable=False),
        sa.Column("interaction", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("cipher", sa.SmallInteger(), nullable=False),
        sa.Column("key_id", TEXT, nullable=True),
        sa.Column("nonce", sa.LargeBinary(), nullable=True),
        sa.Column("key_owner", TEXT, nullable=False),
        sa.Column("confidentiality", sa.SmallInteger(), nullable=False),
        sa.Column("sensitivity", sa.BigInteger(), nullable=False),
        sa.Column("data_class", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_resource_history_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant", "rid", "version", name=op.f("pk_resource_history")),
    )
    op.create_index(
        op.f("ix_resource_history_tenant_kind_updated_rid"),
        "resource_history",
        ["tenant", "kind", "updated", "rid"],
        unique=False,
    )
    op.create_table(
        "sign_in_state",
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("secrets", TEXT, nullable=False),
        sa.Column("destination", TEXT, nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_sign_in_state_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_sign_in_state")),
    )
    op.create_index(op.f("ix_sign_in_state_expires"), "sign_in_state", ["expires"], unique=False)
    op.create_table(
        "totp",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("confirmed", sa.BigInteger(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name=op.f("fk_totp_tenant_tenant")),
        sa.PrimaryKeyConstraint("tenant", "account_id", name=op.f("pk_totp")),
    )
    op.create_table(
        "data_key",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("key_id", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("destroyed", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name=op.f("fk_data_key_tenant_tenant")),
        sa.PrimaryKeyConstraint("tenant", "key_id", name=op.f("pk_data_key")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_data_key_tenant_owner"), "data_key", ["tenant", "owner"], unique=False)
    for statement in append_only.statements(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    """Goes back one revision."""
    op.drop_index(op.f("ix_data_key_tenant_owner"), table_name="data_key")
    op.drop_table("data_key")
    op.drop_table("totp")
    op.drop_index(op.f("ix_sign_in_state_expires"), table_name="sign_in_state")
    op.drop_table("sign_in_state")
    op.drop_index(
        op.f("ix_resource_history_tenant_kind_updated_rid"), table_name="resource_history"
    )
    op.drop_table("resource_history")
    op.drop_index(op.f("ix_resource_tenant_kind_updated_rid"), table_name="resource")
    op.drop_index(op.f("ix_resource_tenant_kind_deleted_rid"), table_name="resource")
    op.drop_index(
        op.f("ix_resource_tenant_kind_confidentiality_sensitivity"), table_name="resource"
    )
    op.drop_index(op.f("ix_resource_tenant_data_class"), table_name="resource")
    op.drop_table("resource")
    op.drop_index(op.f("ix_refresh_token_expires"), table_name="refresh_token")
    op.drop_table("refresh_token")
    op.drop_table("recovery_code")
    op.drop_index("uq_passkey_credential_id", table_name="passkey")
    op.drop_table("passkey")
    op.drop_index(op.f("ix_membership_tenant_owner"), table_name="membership")
    op.drop_index(op.f("ix_membership_tenant_member"), table_name="membership")
    op.drop_table("membership")
    op.drop_index(op.f("ix_launch_context_expires"), table_name="launch_context")
    op.drop_table("launch_context")
    op.drop_index(op.f("ix_issued_token_expires"), table_name="issued_token")
    op.drop_table("issued_token")
    op.drop_table("identity_provider")
    op.drop_index(op.f("ix_external_identity_tenant_account_id"), table_name="external_identity")
    op.drop_table("external_identity")
    op.drop_index(op.f("ix_consent_rule_tenant_consent"), table_name="consent_rule")
    op.drop_index(
        op.f("ix_consent_rule_tenant_actor_closes_permit_patient"), table_name="consent_rule"
    )
    op.drop_table("consent_rule")
    op.drop_index("ix_client_client_id", table_name="client")
    op.drop_table("client")
    op.drop_index(op.f("ix_browser_session_tenant_account_id"), table_name="browser_session")
    op.drop_index(op.f("ix_browser_session_expires"), table_name="browser_session")
    op.drop_table("browser_session")
    op.drop_table("broken_glass")
    op.drop_index(op.f("ix_authorization_code_expires"), table_name="authorization_code")
    op.drop_table("authorization_code")
    op.drop_index(op.f("ix_assertion_jti_expires"), table_name="assertion_jti")
    op.drop_table("assertion_jti")
    op.drop_index(op.f("ix_account_link_tenant_account_id"), table_name="account_link")
    op.drop_index(op.f("ix_account_link_expires"), table_name="account_link")
    op.drop_table("account_link")
    op.drop_index("uq_account_folded", table_name="account")
    op.drop_index(op.f("ix_account_tenant_fhir_user"), table_name="account")
    op.drop_table("account")
    op.drop_index(op.f("ix_access_grant_tenant_account_id"), table_name="access_grant")
    op.drop_index(op.f("ix_access_grant_expires"), table_name="access_grant")
    op.drop_table("access_grant")
    op.drop_table("tenant")
    op.drop_table("signing_key")
    op.drop_index(op.f("ix_resource_author_tenant_rid"), table_name="resource_author")
    op.drop_table("resource_author")
    op.drop_index(op.f("ix_outbox_due_oid"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("login_failure")
    op.drop_table("lease")
    op.drop_table("installation")
    op.drop_index("ix_idx_uri_value", table_name="idx_uri")
    op.drop_table("idx_uri")
    op.drop_index("ix_idx_token_code", table_name="idx_token")
    op.drop_table("idx_token")
    op.drop_index("ix_idx_string_folded", table_name="idx_string")
    op.drop_table("idx_string")
    op.drop_index("ix_idx_reference_target_id", table_name="idx_reference")
    op.drop_table("idx_reference")
    op.drop_index("ix_idx_quantity_low", table_name="idx_quantity")
    op.drop_index("ix_idx_quantity_high", table_name="idx_quantity")
    op.drop_table("idx_quantity")
    op.drop_index("ix_idx_date_low", table_name="idx_date")
    op.drop_index("ix_idx_date_high", table_name="idx_date")
    op.drop_table("idx_date")
    op.drop_index(op.f("ix_compartment_tenant_rid"), table_name="compartment")
    op.drop_table("compartment")
    op.drop_table("audit_pending")
    op.drop_table("audit_node")
    op.drop_index("ix_audit_leaf_event", table_name="audit_leaf")
    op.drop_table("audit_leaf")
    op.drop_table("audit_key")
    op.drop_index(
        "ix_audit_event_patient",
        table_name="audit_event",
        postgresql_where=sa.text("patient IS NOT NULL"),
        sqlite_where=sa.text("patient IS NOT NULL"),
    )
    op.drop_index(
        "ix_audit_event_organization",
        table_name="audit_event",
        postgresql_where=sa.text("organization IS NOT NULL"),
        sqlite_where=sa.text("organization IS NOT NULL"),
    )
    op.drop_index(
        "ix_audit_event_entity_id",
        table_name="audit_event",
        postgresql_where=sa.text("entity_id IS NOT NULL"),
        sqlite_where=sa.text("entity_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_audit_event_consent",
        table_name="audit_event",
        postgresql_where=sa.text("consent IS NOT NULL"),
        sqlite_where=sa.text("consent IS NOT NULL"),
    )
    op.drop_index(
        "ix_audit_event_actor_id",
        table_name="audit_event",
        postgresql_where=sa.text("actor_id IS NOT NULL"),
        sqlite_where=sa.text("actor_id IS NOT NULL"),
    )
    op.drop_table("audit_event")
    op.drop_table("audit_checkpoint")
    op.drop_table("allocator")
