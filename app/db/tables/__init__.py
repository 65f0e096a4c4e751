"""Every table, by concern. Importing this package fills ``metadata``."""

from app.db.metadata import metadata
from app.db.tables import (
    accounts,
    audit,
    authorizations,
    consents,
    exports,
    indexes,
    installation,
    keys,
    queue,
    resources,
    stamps,
    subscriptions,
    work,
)

__all__ = [
    "accounts",
    "audit",
    "authorizations",
    "consents",
    "exports",
    "indexes",
    "installation",
    "keys",
    "metadata",
    "queue",
    "resources",
    "stamps",
    "subscriptions",
    "work",
]
