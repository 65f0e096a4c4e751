"""Every table, by concern. Importing this package fills ``metadata``."""

from app.db.tables import accounts, audit, indexes, queue, resources

__all__ = ["accounts", "audit", "indexes", "queue", "resources"]
