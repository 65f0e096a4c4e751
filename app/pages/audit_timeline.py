"""The picture of who had access to one record and when: where each mark stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.clock import format_instant
from app.fhir.audit.kinds import KINDS, Shape
from app.fhir.audit.record import SUCCESS, AuditRecord

LEFT, RIGHT, LANE, TOP = 160, 980, 28, 24
_MOST_LANES = 24


@dataclass(frozen=True, slots=True)
class Mark:
    """One access: its place in the picture, its form and what it is."""

    x: float
    y: int
    form: str
    record: AuditRecord


@dataclass(frozen=True, slots=True)
class Picture:
    """Marks in lanes, a lane for each who; and the ends of the time shown."""

    lanes: Sequence[tuple[str, int]]
    marks: Sequence[Mark]
    first: str
    last: str
    height: int


def picture(records: Sequence[AuditRecord]) -> Picture | None:
    """The picture of records, in any order; None where there is none."""
    if not records:
        return None
    first = min(record.recorded for record in records)
    last = max(record.recorded for record in records)
    span = max(last - first, 1)
    lanes: dict[str, int] = {}
    for record in sorted(records, key=lambda each: each.recorded):
        if len(lanes) < _MOST_LANES:
            lanes.setdefault(who(record), len(lanes))
    marks = [
        Mark(
            x=round(LEFT + (RIGHT - LEFT) * (record.recorded - first) / span, 1),
            y=TOP + LANE * lanes.get(who(record), _MOST_LANES - 1),
            form=form_of(record),
            record=record,
        )
        for record in records
    ]
    return Picture(
        lanes=[(name, TOP + LANE * lane) for name, lane in lanes.items()],
        marks=marks,
        first=format_instant(first)[:16].replace("T", " "),
        last=format_instant(last)[:16].replace("T", " "),
        height=TOP + LANE * len(lanes) + 24,
    )


def who(record: AuditRecord) -> str:
    """Who did it, as people call them."""
    return (
        record.name
        or record.client_name
        or record.actor
        or record.client
        or record.address
        or "Rapport"
    )


def form_of(record: AuditRecord) -> str:
    """``refused``, ``glass``, ``write`` or ``read``."""
    if record.outcome != SUCCESS:
        return "refused"
    declared = record.event in ("break-glass", "break-glass-ended")
    if declared or record.purpose == "BTG" or record.basis == "break-glass":
        return "glass"
    shape = KINDS[record.event].shape
    return "write" if shape in (Shape.WRITE, Shape.DELETE) else "read"
