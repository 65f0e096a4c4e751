"""The audit log: append records in the caller's transaction, read them back.

Nothing here changes or removes a record; the database refuses it too (``db/append_only.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert

from app.db.engine import Connection, DatabaseBusy, Statement
from app.db.tables.audit import audit_event
from app.fhir.audit.record import AuditRecord
from app.search.sources.audit_rows import row_of

_INSERT = Statement(insert(audit_event))


class AuditUnavailable(DatabaseBusy):
    """The log cannot take a record, whatever the reason: nothing may be answered or written."""


class AuditLog:
    """The log through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def append(self, records: Sequence[AuditRecord]) -> None:
        """Adds records, each with its commitment; they last when the transaction does."""
        rows = [row_of(record) for record in records]
        try:
            if len(rows) == 1:
                await self._connection.execute(_INSERT, rows[0])
            elif rows:
                await self._connection.execute_many(_INSERT, rows)
        except Exception as error:
            raise AuditUnavailable from error
