"""Search index rows: one table per shape of value, rows for the current version only.

``param`` is ``fhir.registry.param_id``; ``system`` the signed 64-bit hash of a system's URI
(0: none). ``position`` ties the components of one composite value together; for any other
parameter it tells which end of the order the row is (1: first, 2: last, 3: both, 0: neither).
A table is kept by resource (``n`` numbers the rows of one) and has indexes by value, which end
in the row number, so that what has one value comes in the order of pages.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
)

from app.db.metadata import Micros, Str, metadata


def _index_table(name: str, values: list[Column[object]], *by_value: tuple[str, ...]) -> Table:
    return Table(
        name,
        metadata,
        Column("tenant", Integer, nullable=False),
        Column("rid", BigInteger, nullable=False),
        Column("param", Integer, nullable=False),
        Column("n", Integer, nullable=False),
        Column("position", Integer, nullable=False),
        *values,
        PrimaryKeyConstraint("tenant", "rid", "param", "n"),
        *(Index(f"ix_{name}_{columns[0]}", "tenant", "param", *columns) for columns in by_value),
        sqlite_with_rowid=False,
    )


idx_token = _index_table(
    "idx_token",
    [Column("code", Str, nullable=False), Column("system", BigInteger, nullable=False)],
    ("code", "rid", "system", "position"),
)
idx_string = _index_table(
    "idx_string",
    [Column("folded", Str, nullable=False), Column("exact", Str, nullable=False)],
    ("folded", "rid", "position"),
)
idx_reference = _index_table(
    "idx_reference",
    [
        Column("target_kind", SmallInteger, nullable=False),
        Column("target_id", Str, nullable=False),
        Column("version", Str, nullable=True),
    ],
    ("target_id", "rid", "target_kind", "position"),
)
idx_date = _index_table(
    "idx_date",
    [Column("low", Micros, nullable=False), Column("high", Micros, nullable=False)],
    ("low", "high", "rid", "position"),
    ("high", "rid"),
)
idx_quantity = _index_table(
    "idx_quantity",
    [
        Column("low", Str, nullable=False),
        Column("high", Str, nullable=False),
        Column("code", Str, nullable=False),
        Column("system", BigInteger, nullable=False),
    ],
    ("low", "high", "rid", "position"),
    ("high", "rid"),
)
idx_uri = _index_table(
    "idx_uri", [Column("value", Str, nullable=False)], ("value", "rid", "position")
)

INDEX_TABLES = (idx_token, idx_string, idx_reference, idx_date, idx_quantity, idx_uri)
