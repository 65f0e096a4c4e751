"""A clinic's access stamp: another one whenever what decides over its tokens and Consents changes.

``db/access_stamps.py`` has the triggers that turn it. Two requests that found the same stamp
found the same tokens, clients, people, grants, Consents, memberships and emergencies.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Table

from app.db.metadata import metadata

access_stamp = Table(
    "access_stamp",
    metadata,
    Column("tenant", Integer, primary_key=True, autoincrement=False),
    Column("stamp", BigInteger, nullable=False),
)
