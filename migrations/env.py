"""Runs the migrations on the connection that ``app.db.migrate`` opened, or on ``-x url=…``."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from app.db.migrate import is_ours
from app.db.owner import connected
from app.db.tables import metadata


def run(connection: Connection) -> None:
    """Runs every pending revision in one transaction."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=is_ours,
        render_as_batch=False,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    connected(context.get_x_argument(as_dictionary=True)["url"], run)
