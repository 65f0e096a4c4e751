"""Every table, by concern. Importing this package fills ``metadata``."""

from app.db.tables import accounts, audit, authorizations, indexes, queue, resources

__all__ = ["accounts", "audit", "authorizations", "indexes", "queue", "resources"]
