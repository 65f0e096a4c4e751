"""Search index rows: one table per shape of value, rows for the current version only.

``param`` is ``fhir.registry.param_id``; ``system`` the signed 64-bit hash of a system's URI
(0: none); ``position`` ties the components of one composite value together. Each table has
one index by value and one by resource.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table

from app.db.metadata import Micros, Str, metadata


def _index_table(name: str, values: list[Column[object]], by_value: tuple[str, ...]) -> Table:
    return Table(
        name,
        metadata,
        Column("tenant", Integer, nullable=False),
        Column("param", Integer, nullable=False),
        *values,
        Column("rid", BigInteger, nullable=False),
        Column("position", SmallInteger, nullable=False),
        Index(f"ix_{name}_value", "tenant", "param", *by_value, "rid", "position"),
        Index(f"ix_{name}_rid", "tenant", "rid", "param"),
    )


idx_token = _index_table(
    "idx_token",
    [Column("code", Str, nullable=False), Column("system", BigInteger, nullable=False)],
    ("code", "system"),
)
idx_string = _index_table(
    "idx_string",
    [Column("folded", Str, nullable=False), Column("exact", Str, nullable=False)],
    ("folded",),
)
idx_reference = _index_table(
    "idx_reference",
    [
        Column("target_kind", SmallInteger, nullable=False),
        Column("target_id", Str, nullable=False),
        Column("version", Str, nullable=True),
    ],
    ("target_id", "target_kind"),
)
idx_date = _index_table(
    "idx_date",
    [Column("low", Micros, nullable=False), Column("high", Micros, nullable=False)],
    ("low", "high"),
)
idx_quantity = _index_table(
    "idx_quantity",
    [
        Column("low", Str, nullable=False),
        Column("high", Str, nullable=False),
        Column("code", Str, nullable=False),
        Column("system", BigInteger, nullable=False),
    ],
    ("low", "high"),
)
idx_uri = _index_table("idx_uri", [Column("value", Str, nullable=False)], ("value",))

INDEX_TABLES = (idx_token, idx_string, idx_reference, idx_date, idx_quantity, idx_uri)
