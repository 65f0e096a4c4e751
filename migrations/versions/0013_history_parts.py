"""The history of resources in parts on PostgreSQL, each cleared up and indexed by itself."""

from __future__ import annotations

from collections.abc import Iterator

from alembic import op

from app.db import row_security
from app.db.engine import EveryTenant

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

PARTS = 16
_TABLE = "resource_history"
_KEY = "PRIMARY KEY (tenant, rid, version)"
_INDEX = f"ix_{_TABLE}_tenant_kind_updated_rid"


def upgrade() -> None:
    """Brings the schema to this revision."""
    _remade(
        f"CREATE TABLE {_TABLE} (LIKE {_TABLE}_before) PARTITION BY HASH (rid)",
        *(
            f"CREATE TABLE {_TABLE}_{part} PARTITION OF {_TABLE}"
            f" FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {part})"
            for part in range(PARTS)
        ),
    )


def downgrade() -> None:
    """Removes what this revision brought."""
    _remade(f"CREATE TABLE {_TABLE} (LIKE {_TABLE}_before)")


def _remade(*made: str) -> None:
    """Makes the table anew by these statements, with the same rows, keys and policies."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for statement in (*_set_aside(), *made, *_filled()):
        op.execute(statement)


def _set_aside() -> Iterator[str]:
    yield f"ALTER TABLE {_TABLE} NO FORCE ROW LEVEL SECURITY"  # else its owner copies nothing
    yield f"ALTER TABLE {_TABLE} RENAME TO {_TABLE}_before"
    for name in (f"pk_{_TABLE}", _INDEX):
        yield f"ALTER INDEX {name} RENAME TO {name}_before"


def _filled() -> Iterator[str]:
    yield f"INSERT INTO {_TABLE} SELECT * FROM {_TABLE}_before"  # noqa: S608 - a name of our own
    yield f"DROP TABLE {_TABLE}_before"
    yield row_security.seeing(EveryTenant("all have a history"), local=True)
    yield f"ALTER TABLE {_TABLE} ADD CONSTRAINT pk_{_TABLE} {_KEY}"
    yield (
        f"ALTER TABLE {_TABLE} ADD CONSTRAINT fk_{_TABLE}_tenant_tenant"
        " FOREIGN KEY (tenant) REFERENCES tenant (id)"
    )
    yield f"CREATE INDEX {_INDEX} ON {_TABLE} (tenant, kind, updated, rid)"
    yield from row_security.statements(_TABLE, shared=True)
