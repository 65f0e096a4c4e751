"""For whom a link to a form speaks: the task that it is for may name another afterwards."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.db.metadata import Str

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the schema to this revision."""
    op.add_column("answer_link", sa.Column("who", Str, nullable=True))


def downgrade() -> None:
    """Removes what this revision brought."""
    op.drop_column("answer_link", "who")
