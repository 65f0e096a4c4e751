"""The audit log: append records in the caller's transaction, read them back.

Nothing here changes or removes a record; the database refuses it too (``db/append_only.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.db.engine import Change, DatabaseBusy, EveryTenant, Insert, UniqueViolation
from app.db.tables.audit import audit_event
from app.fhir.audit.record import AuditRecord
from app.search.sources.audit_rows import row_of

THE_LOG = EveryTenant("one log and one tree for the installation")
_INSERT = Insert(audit_event)


class AuditUnavailable(DatabaseBusy):
    """The log cannot take a record, whatever the reason: nothing may be answered or written."""


class Applies(Protocol):
    """Makes changes: a connection in its transaction, or a database in one of their own."""

    async def apply(self, changes: Sequence[Change]) -> None:
        """Makes changes in their order."""
        ...


class AuditLog:
    """The log through one connection."""

    def __init__(self, connection: Applies) -> None:
        self._connection = connection

    async def append(self, records: Sequence[AuditRecord], *, after: Sequence[Change] = ()) -> None:
        """Adds records, each with its commitment, after the changes that they tell of.

        They last when the transaction does.
        """
        changes = [*after]
        if records:
            changes.append(Change(_INSERT, [row_of(record) for record in records]))
        if not changes:
            return
        try:
            await self._connection.apply(changes)
        except (UniqueViolation, DatabaseBusy):
            raise
        except Exception as error:
            raise AuditUnavailable from error
