"""The owners of a row, found and read in the index by its number."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FORMER, _NEW = "ix_compartment_tenant_rid", "ix_compartment_tenant_rid_owner_kind_owner_id"


def upgrade() -> None:
    """Brings the schema to this revision."""
    op.create_index(_NEW, "compartment", ["tenant", "rid", "owner_kind", "owner_id"])
    op.drop_index(_FORMER, "compartment")


def downgrade() -> None:
    """Removes what this revision brought."""
    op.create_index(_FORMER, "compartment", ["tenant", "rid"])
    op.drop_index(_NEW, "compartment")
