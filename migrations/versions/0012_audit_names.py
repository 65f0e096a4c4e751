"""An index by which a long audit log is searched for the names of what records are about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the schema to this revision."""
    op.create_index(
        "ix_audit_event_entity_name",
        "audit_event",
        ["tenant", "recorded", "aid"],
        postgresql_where=sa.text("entity_name IS NOT NULL"),
        sqlite_where=sa.text("entity_name IS NOT NULL"),
    )


def downgrade() -> None:
    """Removes what this revision brought."""
    op.drop_index("ix_audit_event_entity_name", "audit_event")
