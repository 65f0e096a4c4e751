"""Access stamps: what a request presumes of its caller is asked for by one small row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import access_stamps, row_security
from app.db.engine import EveryTenant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the schema to this revision."""
    op.create_table(
        "access_stamp",
        sa.Column("tenant", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_access_stamp")),
    )
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":
        op.execute(row_security.seeing(EveryTenant("a stamp for every clinic"), local=True))
    op.execute("INSERT INTO access_stamp (tenant, stamp) SELECT id, 0 FROM tenant")
    if dialect == "postgresql":
        for statement in row_security.statements("access_stamp", together=True):
            op.execute(statement)
    for statement in access_stamps.statements(dialect):
        op.execute(statement)


def downgrade() -> None:
    """Removes what this revision brought."""
    for statement in access_stamps.removal(op.get_bind().dialect.name):
        op.execute(statement)
    op.drop_table("access_stamp")
