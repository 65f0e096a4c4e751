"""Facts about the installation as a whole, such as which definitions are loaded."""

from __future__ import annotations

from sqlalchemy import Column, Table

from app.db.metadata import Str, metadata

installation = Table(
    "installation",
    metadata,
    Column("name", Str, primary_key=True),
    Column("value", Str, nullable=False),
)
