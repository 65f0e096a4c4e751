"""Alerts: what the log itself finds unusual, as records in the log, for the auditor.

The rules are data (``definitions/audit_alerts.json``). An alert says who and how much, never
what was read; the same thing is not told twice within a rule's time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from functools import cache
from importlib import resources

from app.core.clock import EPOCH, SECOND, Clock
from app.db.engine import EveryTenant
from app.fhir import json
from app.fhir.audit.record import AuditRecord
from app.repositories.audit_queries import AuditQueries, Question
from app.repositories.installation import Tenant, zone_named
from app.repositories.unit_of_work import UnitsOfWork
from app.search.visibility import Visible
from app.services.audit import AuditTrail

_CLINICS = EveryTenant("one clinic after another is looked at")
_MOST = 1000


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A rule: how long it looks back, and one of three measures.

    ``patients`` is how many one person may read of; ``bases`` and ``roles`` on what an access
    of whom must not rest; ``hours`` (by the clinic's clock) when glass should not break.
    """

    code: str
    text: str
    seconds: int
    patients: int = 0
    bases: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    hours: frozenset[int] = frozenset()


@cache
def alert_rules() -> tuple[AlertRule, ...]:
    """The shipped rules."""
    text = resources.files("app.definitions").joinpath("audit_alerts.json").read_bytes()
    return tuple(
        AlertRule(
            code=rule["code"],
            text=rule["text"],
            seconds=rule["seconds"],
            patients=rule.get("patients", 0),
            bases=tuple(rule.get("bases", ())),
            roles=tuple(rule.get("roles", ())),
            hours=frozenset(rule.get("hours", ())),
        )
        for rule in json.parse_resource(text)["rules"]
    )


@dataclass(frozen=True, slots=True)
class _Finding:
    """Whom or what an alert is about."""

    entity: str
    patient: str | None = None
    count: int = 1


class AuditWatch:
    """Looks at each clinic's records for what the rules describe."""

    def __init__(
        self,
        units: UnitsOfWork,
        trail: AuditTrail,
        *,
        clock: Clock,
        rules: Sequence[AlertRule] | None = None,
    ) -> None:
        self._units = units
        self._trail = trail
        self._clock = clock
        self._rules = alert_rules() if rules is None else rules

    async def look(self) -> list[AuditRecord]:
        """Records the alerts that are new; gives them."""
        async with self._units.read(_CLINICS) as unit:
            tenants = await unit.installation.tenants()
        alerts: list[AuditRecord] = []
        for tenant in tenants:
            for rule in self._rules:
                alerts += await self._told(rule, tenant)
        await self._units.audit.write(alerts)
        return alerts

    async def _told(self, rule: AlertRule, tenant: Tenant) -> list[AuditRecord]:
        visible = Visible.everything(tenant.id, reason="the log watches for unusual access")
        since = self._clock.now() - rule.seconds * SECOND
        async with self._units.database.read(tenant.id) as connection:
            queries = AuditQueries(connection)
            before = await queries.page(
                Question(events=("alert",), since=since), visible=visible, limit=_MOST
            )
            known = {
                (each.entity, each.patient) for each in before if each.entity_name == rule.code
            }
            zone = zone_named(tenant.zone)
            findings = await _find(rule, queries, visible=visible, since=since, zone=zone)
        return [
            self._trail.internal(
                "alert",
                tenant=tenant.id,
                entity=each.entity,
                name=rule.code,
                patient=each.patient,
                detail={"count": str(each.count), "rule": rule.text},
            )
            for each in dict.fromkeys(findings)
            if (each.entity, each.patient) not in known
        ]


async def _find(
    rule: AlertRule, queries: AuditQueries, *, visible: Visible, since: int, zone: tzinfo
) -> Iterable[_Finding]:
    if rule.patients:
        readers = await queries.readers(since=since, least=rule.patients, visible=visible)
        return [_Finding(actor, count=count) for actor, count in readers]
    if rule.hours:
        question = Question(events=("break-glass",), since=since, failed=False)
        opened = await queries.page(question, visible=visible, limit=_MOST)
        return [
            _Finding(f"AuditEvent/{each.id}", each.patient)
            for each in opened
            if _hour(each.recorded, zone) in rule.hours
        ]
    question = Question(bases=rule.bases, roles=rule.roles, since=since, failed=False)
    outside = await queries.page(question, visible=visible, limit=_MOST)
    return [
        _Finding(each.actor, each.patient)
        for each in outside
        if each.actor is not None and each.patient is not None
    ]


def _hour(instant: int, zone: tzinfo) -> int:
    """The hour of the day, by a clinic's clock."""
    return (EPOCH + timedelta(microseconds=instant)).astimezone(zone).hour
