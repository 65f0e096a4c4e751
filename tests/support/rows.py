"""Rows of any table, made from what its columns are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, SmallInteger

from app.db.tables import metadata

TENANT = {table: table.c.tenant for table in metadata.sorted_tables if "tenant" in table.c}
TENANT[metadata.tables["tenant"]] = metadata.tables["tenant"].c.id


def a_row(table: Any, tenant: int) -> dict[str, Any]:
    """A row of a tenant; ``tenant`` also tells it from the row of another."""
    row: dict[str, Any] = {}
    for column in table.columns:
        if column is TENANT.get(table) or isinstance(
            column.type, BigInteger | Integer | SmallInteger
        ):
            row[column.name] = tenant
        elif isinstance(column.type, LargeBinary):
            row[column.name] = bytes([tenant])
        else:
            row[column.name] = "clinic" if column.name == "policy" else f"row {tenant}"
    return row
