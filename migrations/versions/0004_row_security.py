"""Row-level security on PostgreSQL: each clinic's rows apart, whatever a statement asks."""

from __future__ import annotations

from alembic import op

from app.db import row_security

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OWN = (
    "aggregate_release", "broken_glass", "compartment", "consent_rule", "destruction", "job",
    "legal_hold", "membership", "resource_author", "retention",
)  # fmt: skip
SHARED = (
    "idx_date", "idx_quantity", "idx_reference", "idx_string", "idx_token", "idx_uri",
    "resource", "resource_history",
)  # fmt: skip
KEYS = ("data_key", "tenant_key")
MET = (
    "access_grant", "account", "account_link", "answer_link", "assertion_jti", "audit_event",
    "audit_leaf", "audit_pending", "authorization_code",
    "browser_session", "client", "external_identity", "identity_provider", "issued_token",
    "launch_context", "outbox", "passkey", "recovery_code", "refresh_token", "sign_in_state",
    "totp",
)  # fmt: skip


def upgrade() -> None:
    """Brings the schema to this revision."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in (*OWN, *SHARED, *MET, *KEYS):
        shared, together = table in (*SHARED, *KEYS), table in (*MET, *KEYS)
        for statement in row_security.statements(table, shared=shared, together=together):
            op.execute(statement)
    for statement in row_security.statements("tenant", column="id", together=True):
        op.execute(statement)


def downgrade() -> None:
    """Removes what this revision brought."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in (*OWN, *SHARED, *MET, *KEYS, "tenant"):
        op.execute(f"DROP POLICY tenant_rows ON {table}")
        op.execute(f"DROP POLICY IF EXISTS shared_rows ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
