"""An audit record as a row of ``audit_event``, and back.

References are kept as the reference index keeps them: a served type's number and the id; of
any other type 0 and the whole reference.
"""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import Any

from app.db.engine import Row
from app.fhir.audit.event import commitment
from app.fhir.audit.record import AuditRecord
from app.fhir.registry import ENTRIES, by_code
from app.search.folding import LIMIT, fold

_REFERENCES = ("actor", "entity")
_TYPED = {"consent": "Consent/", "organization": "Organization/"}
_PLAIN = tuple(
    field.name
    for field in fields(AuditRecord)
    if field.name not in _REFERENCES and field.name not in _TYPED
)
_values = attrgetter(*_PLAIN)
_KINDS = {name: code for code, name, _ in ENTRIES}

# What ``record_of`` needs of a row, in this order.
COLUMNS = (*_PLAIN, *_TYPED, "actor_kind", "actor_id", "entity_kind", "entity_id")


def row_of(record: AuditRecord) -> dict[str, Any]:
    """The row, with what the tree commits to and the name as a search compares it."""
    row = dict(zip(_PLAIN, _values(record), strict=True))
    row["actor_kind"], row["actor_id"] = _target(record.actor)
    row["entity_kind"], row["entity_id"] = _target(record.entity)
    for name, prefix in _TYPED.items():
        reference = getattr(record, name)
        row[name] = reference and reference.removeprefix(prefix)
    shown = record.name or record.client_name
    row["folded"] = None if shown is None else fold(shown)[:LIMIT]
    row["commitment"] = commitment(record)
    return row


def record_of(row: Row) -> AuditRecord:
    """The record of the values of ``COLUMNS``; more may follow them."""
    values = dict(zip(COLUMNS, row, strict=False))
    actor = _reference(values.pop("actor_kind"), values.pop("actor_id"))
    entity = _reference(values.pop("entity_kind"), values.pop("entity_id"))
    for name, prefix in _TYPED.items():
        if values[name] is not None:
            values[name] = prefix + values[name]
    return AuditRecord(**values, actor=actor, entity=entity)


def _target(reference: str | None) -> tuple[int | None, str | None]:
    if reference is None:
        return None, None
    type, _, id = reference.partition("/")
    kind = _KINDS.get(type)
    return (kind, id) if kind else (0, reference)


def _reference(kind: int | None, id: str | None) -> str | None:
    return f"{by_code(kind).name}/{id}" if kind else id
