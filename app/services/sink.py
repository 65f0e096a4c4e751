"""Security events as audit records: the ``AuditSink`` that the front door writes to."""

from __future__ import annotations

from app.repositories.unit_of_work import UnitOfWork, UnitsOfWork
from app.security.ports import SecurityEvent, Unit
from app.services.audit import AuditTrail


class Sink:
    """Keeps events in the unit that caused them, or at once."""

    def __init__(self, units: UnitsOfWork, trail: AuditTrail) -> None:
        self._units = units
        self._trail = trail

    async def record(self, event: SecurityEvent, *, unit: Unit | None = None) -> None:
        """Keeps an event."""
        record = self._trail.security(event)
        if isinstance(unit, UnitOfWork):
            unit.audited.append(record)
            return
        await self._units.audit.write([record])
