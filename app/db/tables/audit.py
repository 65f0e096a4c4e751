"""The audit log's own narrow tables, rendered as AuditEvent on read. Insert only."""

from __future__ import annotations
