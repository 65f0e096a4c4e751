"""Subscriptions: how each stands, what there is to tell, and what binds a socket."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db import row_security

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLES = ("subscription", "subscription_event", "subscription_token")


def upgrade() -> None:
    """Brings the schema to this revision."""
    op.create_table(
        "subscription",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("collects", sa.SmallInteger(), nullable=False),
        sa.Column("filtered", sa.SmallInteger(), nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=True),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("patient", TEXT, nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("nonce", sa.LargeBinary(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing", sa.BigInteger(), nullable=True),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_subscription_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_subscription")),
    )
    op.create_index(op.f("ix_subscription_tenant_topic"), "subscription", ["tenant", "topic"])
    op.create_table(
        "subscription_event",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("subscription", TEXT, nullable=False),
        sa.Column("oid", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_subscription_event_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint(
            "tenant", "subscription", "oid", name=op.f("pk_subscription_event")
        ),
    )
    op.create_index(
        op.f("ix_subscription_event_tenant_subscription_state_number"),
        "subscription_event",
        ["tenant", "subscription", "state", "number"],
    )
    op.create_index(op.f("ix_subscription_event_at"), "subscription_event", ["at"])
    op.create_table(
        "subscription_token",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("subscriptions", TEXT, nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=True),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("patient", TEXT, nullable=True),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant"], ["tenant.id"], name=op.f("fk_subscription_token_tenant_tenant")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_subscription_token")),
    )
    op.create_index(op.f("ix_subscription_token_expires"), "subscription_token", ["expires"])
    if op.get_bind().dialect.name == "postgresql":
        for table in _TABLES:
            for statement in row_security.statements(table, together=True):
                op.execute(statement)


def downgrade() -> None:
    """Removes what this revision brought."""
    for table in reversed(_TABLES):
        op.drop_table(table)
