"""The audit log: append records in the caller's transaction, read them back.

Nothing here changes or removes a record; the database refuses it too (``db/append_only.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter

from sqlalchemy import insert

from app.db.engine import Connection, Row, Statement
from app.db.tables.audit import audit_event
from app.fhir.audit.event import commitment
from app.fhir.audit.record import AuditRecord

NAMES = tuple(field.name for field in fields(AuditRecord))
COLUMNS = tuple(audit_event.c[name] for name in NAMES)
_values = attrgetter(*NAMES)

_INSERT = Statement(insert(audit_event))


class AuditLog:
    """The log through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def append(self, records: Sequence[AuditRecord]) -> None:
        """Adds records, each with its commitment; they last when the transaction does."""
        rows = [_params(record) for record in records]
        if len(rows) == 1:
            await self._connection.execute(_INSERT, rows[0])
        elif rows:
            await self._connection.execute_many(_INSERT, rows)


def record_of(row: Row) -> AuditRecord:
    """The record of a row of ``COLUMNS``."""
    return AuditRecord(**dict(zip(NAMES, row, strict=True)))


def _params(record: AuditRecord) -> dict[str, object]:
    params = dict(zip(NAMES, _values(record), strict=True))
    params["commitment"] = commitment(record)
    return params
