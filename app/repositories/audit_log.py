"""The audit log: append records in the caller's transaction, read them back.

Nothing here changes or removes a record; the database refuses it too (``db/append_only.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from sqlalchemy import insert

from app.db.engine import Connection, Row, Statement
from app.db.tables.audit import audit_event
from app.fhir.audit.event import commitment
from app.fhir.audit.record import AuditRecord
from app.fhir.registry import ENTRIES, by_code
from app.search.folding import LIMIT, fold

_REFERENCES = ("actor", "entity")
_PLAIN = tuple(
    field.name for field in fields(AuditRecord) if field.name not in (*_REFERENCES, "consent")
)
_values = attrgetter(*_PLAIN)
_KINDS = {name: code for code, name, _ in ENTRIES}
_CONSENT = "Consent/"

COLUMNS = tuple(
    audit_event.c[name]
    for name in (*_PLAIN, "consent", "actor_kind", "actor_id", "entity_kind", "entity_id")
)
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
    *plain, consent, actor_kind, actor_id, entity_kind, entity_id = row
    return AuditRecord(
        **dict(zip(_PLAIN, plain, strict=True)),
        consent=None if consent is None else _CONSENT + consent,
        actor=_reference(actor_kind, actor_id),
        entity=_reference(entity_kind, entity_id),
    )


def _params(record: AuditRecord) -> dict[str, Any]:
    params = dict(zip(_PLAIN, _values(record), strict=True))
    for name in _REFERENCES:
        params[f"{name}_kind"], params[f"{name}_id"] = _target(getattr(record, name))
    params["consent"] = None if record.consent is None else record.consent.removeprefix(_CONSENT)
    shown = record.name or record.client_name
    params["folded"] = None if shown is None else fold(shown)[:LIMIT]
    params["commitment"] = commitment(record)
    return params


def _target(reference: str | None) -> tuple[int | None, str | None]:
    """As the reference index has it: a served type's number and the id, or 0 and the whole."""
    if reference is None:
        return None, None
    type, _, id = reference.partition("/")
    kind = _KINDS.get(type)
    return (kind, id) if kind else (0, reference)


def _reference(kind: int | None, id: str | None) -> str | None:
    return f"{by_code(kind).name}/{id}" if kind else id
