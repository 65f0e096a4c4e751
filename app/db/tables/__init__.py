"""Every table, by concern. Importing this package fills ``metadata``."""

from app.db.metadata import metadata
from app.db.tables import accounts, audit, authorizations, indexes, installation, queue, resources

__all__ = [
    "accounts",
    "audit",
    "authorizations",
    "indexes",
    "installation",
    "metadata",
    "queue",
    "resources",
]
