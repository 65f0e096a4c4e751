"""Bulk exports under way, and the row numbers that their files stand for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import row_security

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the schema to this revision."""
    op.create_table(
        "export_job",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("client", TEXT, nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.BigInteger(), nullable=True),
        sa.Column("polled", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("below", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("cipher", sa.SmallInteger(), nullable=False),
        sa.Column("key_id", TEXT, nullable=True),
        sa.Column("nonce", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_export_job_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_export_job")),
    )
    op.create_index(op.f("ix_export_job_expires"), "export_job", ["expires"], unique=False)
    op.create_index(
        op.f("ix_export_job_finished_started"), "export_job", ["finished", "started"], unique=False
    )
    op.create_table(
        "export_file",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("job", TEXT, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("deleted", sa.SmallInteger(), nullable=False),
        sa.Column("below", sa.BigInteger(), nullable=True),
        sa.Column("down_to", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_export_file_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant", "job", "number", name=op.f("pk_export_file")),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table in ("export_job", "export_file"):
            for statement in row_security.statements(table, together=True):
                op.execute(statement)


def downgrade() -> None:
    """Removes what this revision brought."""
    op.drop_table("export_file")
    op.drop_table("export_job")
