"""Keys of tenants, and what guards the destruction of a patient's key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the schema to this revision."""
    op.create_table(
        "tenant_key",
        _tenant(),
        sa.Column("key_id", TEXT, nullable=False),
        sa.Column("root", TEXT, nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("retired", sa.BigInteger(), nullable=True),
        _of_tenant("tenant_key"),
        sa.PrimaryKeyConstraint("tenant", "key_id", name=op.f("pk_tenant_key")),
    )
    op.create_table(
        "key_copy",
        sa.Column("path", TEXT, nullable=False),
        sa.Column("written", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_key_copy")),
    )
    op.create_table(
        "retention",
        sa.Column("tenant", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("years", sa.Integer(), nullable=False),
        _of_tenant("retention"),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_retention")),
    )
    op.create_table(
        "legal_hold",
        _tenant(),
        sa.Column("hold_id", TEXT, nullable=False),
        sa.Column("patient", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("placed", sa.BigInteger(), nullable=False),
        sa.Column("released", sa.BigInteger(), nullable=True),
        _of_tenant("legal_hold"),
        sa.PrimaryKeyConstraint("tenant", "hold_id", name=op.f("pk_legal_hold")),
    )
    op.create_index(
        op.f("ix_legal_hold_tenant_patient"), "legal_hold", ["tenant", "patient"], unique=False
    )
    op.create_table(
        "destruction",
        _tenant(),
        sa.Column("patient", TEXT, nullable=False),
        sa.Column("asked_by", TEXT, nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_by", TEXT, nullable=True),
        sa.Column("confirmed", sa.BigInteger(), nullable=True),
        _of_tenant("destruction"),
        sa.PrimaryKeyConstraint("tenant", "patient", name=op.f("pk_destruction")),
    )


def downgrade() -> None:
    """Removes what this revision brought."""
    for table in ("destruction", "legal_hold", "retention", "key_copy", "tenant_key"):
        op.drop_table(table)


def _tenant() -> sa.Column[int]:
    return sa.Column("tenant", sa.Integer(), nullable=False)


def _of_tenant(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_tenant_tenant")
    return sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name=name)
