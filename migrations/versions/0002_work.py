"""Published figures, answer links, long jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the schema to this revision."""
    op.create_table(
        "aggregate_release",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("cell", TEXT, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("released", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_aggregate_release_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant", "cell", "number", name=op.f("pk_aggregate_release")),
    )
    op.create_table(
        "answer_link",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("task", TEXT, nullable=False),
        sa.Column("kiosk", sa.SmallInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_answer_link_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_answer_link")),
    )
    op.create_index(op.f("ix_answer_link_expires"), "answer_link", ["expires"], unique=False)
    op.create_index(
        op.f("ix_answer_link_tenant_task"), "answer_link", ["tenant", "task"], unique=False
    )
    op.create_table(
        "job",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name=op.f("fk_job_tenant_tenant")),
        sa.PrimaryKeyConstraint("tenant", "name", name=op.f("pk_job")),
    )


def downgrade() -> None:
    """Removes what this revision brought."""
    op.drop_table("job")
    op.drop_table("answer_link")
    op.drop_table("aggregate_release")
