"""Records for tests: one of each kind, as a person and as a system would cause them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.fhir.audit.kinds import KINDS, Shape
from app.fhir.audit.record import AuditRecord

NOON = 1_800_000_000_000_000


def a_record(**changes: Any) -> AuditRecord:
    """A therapist reads an Observation."""
    record = AuditRecord(
        tenant=1,
        recorded=NOON + 123_000,
        aid=77,
        salt=bytes(range(16)),
        site="https://rapport.test/fhir",
        event="read",
        actor="Practitioner/pr1",
        subject="user-1",
        name="Thea Rapist",
        role="therapist",
        client="dashboard",
        token="jti-1",
        address="192.0.2.7",
        purpose="TREAT",
        entity="Observation/o1",
        entity_version=3,
        patient="p1",
        request="request-1",
        decision="permit",
        basis="care-relationship",
    )
    return replace(record, **changes)


def a_system_record(**changes: Any) -> AuditRecord:
    """The clinic's record system creates an Encounter."""
    system: dict[str, Any] = {
        "event": "create",
        "actor": "Organization/org1",
        "subject": "ehr",
        "name": None,
        "role": "system",
        "client": "ehr",
        "client_name": "Record system",
        "entity": "Encounter/e1",
        "entity_version": 1,
        "basis": "role",
    }
    return a_record(**(system | changes))


def every_kind() -> list[AuditRecord]:
    """One record of each kind by a person and one by a system, keys all different."""
    records: list[AuditRecord] = []
    for kind in KINDS:
        for make in (a_record, a_system_record):
            changes: dict[str, Any] = {"event": kind, "aid": len(records) + 1}
            if KINDS[kind].shape is Shape.QUERY:
                changes |= {"entity": None, "entity_version": None}
                changes["query"] = "GET /fhir/Observation?subject=Patient/p1&code=x%7Cy"
            if KINDS[kind].shape is Shape.CONSENT:
                changes |= {"entity": None, "entity_version": None}
                changes |= {"consent": "Consent/c1", "consent_version": 2, "decision": "deny"}
                changes |= {"organization": "Organization/org1", "outcome": "8"}
            records.append(make(**changes))
    return records
