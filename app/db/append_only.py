"""What makes the audit log append-only, and every event pending until the tree holds it.

Two walls. The application's role on PostgreSQL is granted SELECT and INSERT only; and
triggers, on both databases, refuse UPDATE, DELETE and TRUNCATE to whoever runs them. SQLite
triggers also refuse ``INSERT OR REPLACE``, which passes by a DELETE trigger on a connection
without ``recursive_triggers``. Only dropping a partition or a trigger, which takes the
owner, removes a row; the tree then still shows that it was there.

The statements may be run again: they replace what they find.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Table

from app.db.tables.audit import (
    audit_checkpoint,
    audit_event,
    audit_key,
    audit_leaf,
    audit_node,
    audit_pending,
)

INSERT_ONLY = (audit_event, audit_leaf, audit_node, audit_checkpoint, audit_key)


def sqlite_statements(table: Table) -> Iterator[str]:
    """The triggers of one audit table on SQLite."""
    name = table.name
    refuse = f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
    for verb in ("update", "delete"):
        yield f"DROP TRIGGER IF EXISTS {name}_no_{verb}"
        yield f"CREATE TRIGGER {name}_no_{verb} BEFORE {verb.upper()} ON {name} {refuse}"
    key = " AND ".join(f"{column.name} = NEW.{column.name}" for column in table.primary_key)
    yield f"DROP TRIGGER IF EXISTS {name}_no_replace"
    present = f"SELECT 1 FROM {name} WHERE {key}"  # noqa: S608 - names of our own
    yield (
        f"CREATE TRIGGER {name}_no_replace BEFORE INSERT ON {name} WHEN EXISTS ({present}) {refuse}"
    )
    if table is audit_event:
        yield "DROP TRIGGER IF EXISTS audit_event_pending"
        yield (
            "CREATE TRIGGER audit_event_pending AFTER INSERT ON audit_event BEGIN "
            "INSERT INTO audit_pending (recorded, aid, tenant) "
            "VALUES (NEW.recorded, NEW.aid, NEW.tenant); END"
        )


def postgresql_statements(table: Table) -> Iterator[str]:
    """The triggers of one audit table on PostgreSQL, and the partition for any instant."""
    name = table.name
    yield (
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME "
        "USING ERRCODE = 'insufficient_privilege'; END $$"
    )
    yield (
        f"CREATE OR REPLACE TRIGGER {name}_no_change BEFORE UPDATE OR DELETE ON {name} "
        "FOR EACH ROW EXECUTE FUNCTION audit_refuse()"
    )
    yield (
        f"CREATE OR REPLACE TRIGGER {name}_no_truncate BEFORE TRUNCATE ON {name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
    )
    if table is audit_event:
        yield (
            "CREATE OR REPLACE FUNCTION audit_await() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO audit_pending (recorded, aid, tenant) "
            "VALUES (NEW.recorded, NEW.aid, NEW.tenant); RETURN NULL; END $$"
        )
        yield (
            "CREATE OR REPLACE TRIGGER audit_event_pending AFTER INSERT ON audit_event "
            "FOR EACH ROW EXECUTE FUNCTION audit_await()"
        )
        yield ("CREATE TABLE IF NOT EXISTS audit_event_default PARTITION OF audit_event DEFAULT")


def grants(role: str) -> Iterator[str]:
    """What the application's role may do on PostgreSQL; run by the owner.

    A blanket grant on all tables must come before, since this takes rights away.
    """
    who = '"' + role.replace('"', '""') + '"'
    for table in INSERT_ONLY:
        yield f"REVOKE ALL ON {table.name} FROM {who}"
        yield f"GRANT SELECT, INSERT ON {table.name} TO {who}"
    yield f"REVOKE ALL ON audit_event_default FROM {who}"
    yield f"GRANT SELECT, INSERT, DELETE ON {audit_pending.name} TO {who}"


def statements(dialect: str) -> Iterator[str]:
    """Every statement for a database whose tables exist."""
    of_table = sqlite_statements if dialect == "sqlite" else postgresql_statements
    for table in INSERT_ONLY:
        yield from of_table(table)
