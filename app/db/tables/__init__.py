"""Every table, by concern. Importing this package fills ``metadata``."""

from app.db.metadata import metadata
from app.db.tables import (
    accounts,
    audit,
    authorizations,
    consents,
    indexes,
    installation,
    queue,
    resources,
    work,
)

__all__ = [
    "accounts",
    "audit",
    "authorizations",
    "consents",
    "indexes",
    "installation",
    "metadata",
    "queue",
    "resources",
    "work",
]
