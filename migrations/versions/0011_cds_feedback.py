"""What became of the cards of CDS Hooks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import row_security

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the schema to this revision."""
    op.create_table(
        "cds_feedback",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("card", TEXT, nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_cds_feedback_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant", "card", "client_id", "at", name=op.f("pk_cds_feedback")),
    )
    if op.get_bind().dialect.name == "postgresql":
        for statement in row_security.statements("cds_feedback"):
            op.execute(statement)


def downgrade() -> None:
    """Removes what this revision brought."""
    op.drop_table("cds_feedback")
