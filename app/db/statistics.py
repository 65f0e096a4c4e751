"""What planners are told about the tables.

PostgreSQL gathers statistics by itself, some minutes after there is something to gather. Until
then it takes each row for one of two hundred tenants, so that a tenant's rows seem few, and any
index good that begins with the tenant. PostgreSQL 18 can be told that they are not.
https://www.postgresql.org/docs/18/functions-admin.html#FUNCTIONS-ADMIN-STATSMOD

SQLite guesses until ``ANALYZE`` has run, and then
plans for the data of that day; so every migration tells it what a busy clinic's database looks
like, and a question is answered in the same way on the first day and in the tenth year. Untold,
it has looked through all that a clinic has for what a key finds at once.
https://sqlite.org/fileformat2.html#stat1tab: rows, then rows for each value of the first
column, of the first two, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator

_ROWS = 1_000_000
# By the name of an index; a table without row numbers goes by its own name.
_STATISTICS: dict[str, dict[str, tuple[int, ...]]] = {
    "resource": {
        "sqlite_autoindex_resource_1": (_ROWS, 100_000, 1),
        "sqlite_autoindex_resource_2": (_ROWS, 1),
        "ix_resource_tenant_kind_deleted_rid": (_ROWS, 100_000, 90_000, 1),
        "ix_resource_tenant_kind_updated_rid": (_ROWS, 100_000, 2, 1),
        "ix_resource_tenant_kind_confidentiality_sensitivity": (_ROWS, 100_000, 50_000, 40_000),
        "ix_resource_tenant_data_class": (_ROWS, 100_000),
    },
    "resource_history": {
        "sqlite_autoindex_resource_history_1": (_ROWS, 2, 1),
        "ix_resource_history_tenant_kind_updated_rid": (_ROWS, 100_000, 2, 1),
    },
    "data_key": {
        "ix_data_key_tenant_owner": (5_000, 1),
    },
    "compartment": {
        "compartment": (3 * _ROWS, 1_000_000, 200, 40, 1),
        "ix_compartment_tenant_rid_owner_kind_owner_id": (3 * _ROWS, 3, 1, 1),
    },
    "resource_author": {
        "resource_author": (_ROWS, 300_000, 500, 1),
        "ix_resource_author_tenant_rid": (_ROWS, 1),
    },
    "consent_rule": {
        "consent_rule": (100_000, 5, 2, 1),
        "ix_consent_rule_tenant_actor_closes_permit_patient": (100_000, 5_000, 2_500, 2_500, 2),
        "ix_consent_rule_tenant_consent": (100_000, 3),
    },
    "membership": {
        "membership": (50_000, 3, 1),
        "ix_membership_tenant_member": (50_000, 2),
        "ix_membership_tenant_owner": (50_000, 3),
    },
    "broken_glass": {
        "broken_glass": (1_000, 10, 2, 1),
    },
    "idx_token": {
        "idx_token": (8 * _ROWS, 8, 1, 1),
        "ix_idx_token_code": (8 * _ROWS, 100_000, 2_000, 2, 1, 1),
    },
    "idx_string": {
        "idx_string": (_ROWS, 4, 1, 1),
        "ix_idx_string_folded": (_ROWS, 20_000, 20, 1, 1),
    },
    "idx_reference": {
        "idx_reference": (6 * _ROWS, 6, 1, 1),
        "ix_idx_reference_target_id": (6 * _ROWS, 100_000, 50, 1, 1, 1),
    },
    "idx_date": {
        "idx_date": (2 * _ROWS, 2, 1, 1),
        "ix_idx_date_low": (2 * _ROWS, 100_000, 10, 10, 1, 1),
        "ix_idx_date_high": (2 * _ROWS, 100_000, 10, 1),
    },
    "idx_quantity": {
        "idx_quantity": (2 * _ROWS, 4, 1, 1),
        "ix_idx_quantity_low": (2 * _ROWS, 100_000, 500, 500, 2, 1),
        "ix_idx_quantity_high": (2 * _ROWS, 100_000, 500, 2),
    },
    # Of a log that is looked through by time unless something leads to few of its records.
    "audit_event": {
        "audit_event": (10 * _ROWS, 2, 1),
        "ix_audit_event_patient": (8 * _ROWS, 500, 2, 1),
        "ix_audit_event_actor_id": (8 * _ROWS, 50_000, 2, 1),
        "ix_audit_event_entity_id": (6 * _ROWS, 20, 2, 1),
        "ix_audit_event_consent": (100_000, 20, 2, 1),
        "ix_audit_event_organization": (_ROWS, 50_000, 2, 1),
        "ix_audit_event_folded": (8 * _ROWS, 50_000, 2, 1),
        "ix_audit_event_break_glass": (1_000, 2, 1),
        "ix_audit_event_entity_name": (10_000, 2, 1),
        "ix_audit_event_event": (1, 1, 1, 1, 1),  # it holds none
    },
    "idx_uri": {
        "idx_uri": (_ROWS, 2, 1, 1),
        "ix_idx_uri_value": (_ROWS, 20_000, 200, 1, 1),
    },
}


# Of tables that were never looked at: whatever tenant is asked for has all of the rows.
POSTGRESQL_STATISTICS = """
    SELECT pg_restore_attribute_stats(
        'schemaname', tables.schemaname::text, 'relname', tables.tablename::text,
        'attname', 'tenant', 'inherited', false,
        'null_frac', 0::real, 'avg_width', 4, 'n_distinct', 1::real
    )
    FROM pg_tables AS tables
    JOIN information_schema.columns AS columns
        ON (columns.table_schema, columns.table_name, columns.column_name)
        = (tables.schemaname, tables.tablename, 'tenant')
    JOIN pg_class AS class
        ON class.oid = format('%I.%I', tables.schemaname, tables.tablename)::regclass
        AND class.relkind = 'r' AND class.reltuples < 0
    WHERE tables.schemaname = 'public'
"""


def sqlite_statistics() -> Iterator[str]:
    """The statements that tell them; who opens the database afterwards plans by them."""
    yield "ANALYZE sqlite_schema"
    yield "DELETE FROM sqlite_stat1"
    for table, indexes in _STATISTICS.items():
        for index, averages in indexes.items():
            # The first column is the tenant, and there may be only one.
            numbers = " ".join(map(str, (averages[0], *averages)))
            row = f"('{table}', '{index}', '{numbers}')"
            yield f"INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES {row}"  # noqa: S608 - our own
