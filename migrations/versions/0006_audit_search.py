"""Indexes by which a long audit log is searched for names, for what happened and how it ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the schema to this revision."""
    op.create_index(
        "ix_audit_event_folded",
        "audit_event",
        ["tenant", "folded", "recorded", "aid"],
        postgresql_where=sa.text("folded IS NOT NULL"),
        sqlite_where=sa.text("folded IS NOT NULL"),
    )
    op.create_index(
        "ix_audit_event_event",
        "audit_event",
        ["tenant", "event", "outcome", "recorded", "aid"],
        sqlite_where=sa.text("0"),
    )


def downgrade() -> None:
    """Removes what this revision brought."""
    op.drop_index("ix_audit_event_event", "audit_event")
    op.drop_index("ix_audit_event_folded", "audit_event")
