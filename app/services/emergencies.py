"""What is told of an emergency: a notice to the clinical lead, and in the log when it is over.

The end is a reaction that is called for with the beginning and due an hour later: whichever process
has the relay then records it, in the transaction that takes it from the queue, so once.
"""

from __future__ import annotations

from typing import Final

from app.core.clock import SECOND, format_instant
from app.fhir.audit.record import AuditRecord, event_key
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY
from app.repositories.audit_queries import AuditQueries
from app.repositories.outbox import Written
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.services.audit import AuditTrail
from app.services.derived import Derived, derived_id
from app.services.responsible import Responsible

REACTION: Final = "emergency"
_LASTS: Final = 3600 * SECOND
_EVENT: Final = REGISTRY["AuditEvent"].code


class Emergencies:
    """Tells of emergencies."""

    def __init__(self, *, derived: Derived, responsible: Responsible, trail: AuditTrail) -> None:
        self._derived = derived
        self._responsible = responsible
        self._trail = trail

    @staticmethod
    def until(since: int) -> int:
        """When an emergency ends that began so (microseconds)."""
        return since + _LASTS

    @staticmethod
    def call_end(uow: UnitOfWork, began: AuditRecord, *, until: int) -> None:
        """Calls for the record of the end, in the unit that has the record of the beginning."""
        row = Written(began.tenant, uow.number(), REACTION, _EVENT, began.id, version=1, due=until)
        uow.written.append(row)

    async def react(self, uow: UnitOfWork, written: Written) -> None:
        """Records that an emergency is over."""
        key = event_key(written.id)
        visible = Visible.everything(written.tenant, reason="the end is told like the beginning")
        began = await AuditQueries(uow.connection).one(key, visible=visible) if key else None
        if began is not None:
            uow.audited.append(self._trail.emergency_ended(began))

    async def tell(self, uow: UnitOfWork, *, patient: str, by: str, at: int, tenant: int) -> None:
        """Stores the notice, in the unit in which the emergency is declared."""
        about = {"subject": {"reference": f"Patient/{patient}"}}
        treating = await self._responsible.treating(uow, about, tenant=tenant)
        lead = await self._responsible.lead(uow, treating, tenant=tenant, rated=False)
        notice: Tree = {
            "resourceType": "Communication",
            "id": derived_id("emergency", patient, by, str(at)),
            "status": "completed",
            "category": [
                {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/communication-category",
                            "code": "notification",
                        }
                    ]
                }
            ],
            "priority": "urgent",
            "subject": {"reference": f"Patient/{patient}"},
            "sent": format_instant(at),
            "sender": {"reference": by},
            "reasonCode": [
                {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
                            "code": "BTG",
                        }
                    ]
                }
            ],
            "payload": [
                {"contentString": "Access to this record was opened in an emergency for one hour."}
            ],
        }
        if lead is not None:
            notice["recipient"] = [{"reference": lead}]
        await self._derived.store(uow, notice, tenant=tenant, topic="break-glass")
