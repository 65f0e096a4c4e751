"""The log as a table for spreadsheets and as AuditEvents, one a line.

A cell that a spreadsheet would take for a formula is text here
(https://owasp.org/www-community/attacks/CSV_Injection), and no cell holds a line break.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from app.core.clock import format_instant
from app.fhir import json
from app.fhir.audit.event import render
from app.fhir.audit.record import AuditRecord

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "|", "%")
_FIELDS = (
    "event", "outcome", "reason", "name", "actor", "role", "client", "client_name", "purpose",
    "entity", "entity_version", "entity_name", "patient", "decision", "basis", "consent",
    "consent_version", "provision", "address", "request", "detail",
)  # fmt: skip
HEADER = ("id", "recorded", *_FIELDS)


def csv_lines(rows: Iterable[Sequence[str]]) -> bytes:
    """Rows as CSV (RFC 4180) in UTF-8, every cell quoted."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(
        [_cell(value) for value in row] for row in rows
    )
    return text.getvalue().encode()


def row_of(record: AuditRecord) -> list[str]:
    """The cells of a record; what a search asked for is not among them."""
    values = [getattr(record, name) for name in _FIELDS]
    texts = ["" if value is None else str(value) for value in values]
    return [record.id, format_instant(record.recorded), *texts]


def event_lines(records: Iterable[AuditRecord]) -> bytes:
    """AuditEvents, one a line, with the salts that open their commitments."""
    return b"".join(json.dumps(render(record)) + b"\n" for record in records)


def _cell(value: str) -> str:
    one_line = " ".join(value.splitlines())
    return f"'{one_line}" if one_line.startswith(_FORMULA) else one_line
