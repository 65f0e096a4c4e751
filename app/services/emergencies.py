"""Notice of a declared emergency: to the clinical lead, and in the patient's own record."""

from __future__ import annotations

from app.core.clock import format_instant
from app.fhir.json import Tree
from app.repositories.unit_of_work import UnitOfWork
from app.services.derived import Derived, derived_id
from app.services.responsible import Responsible


class Emergencies:
    """Tells of emergencies."""

    def __init__(self, *, derived: Derived, responsible: Responsible) -> None:
        self._derived = derived
        self._responsible = responsible

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
