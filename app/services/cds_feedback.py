"""What a clinician did with a card, as far as it is kept: which card, what, by which code, when.

https://cds-hooks.hl7.org/2.0/#feedback. It changes nothing of an alert, which a clinician's own
step does (``$resolve``). A comment is not kept, nor is a reason of the client's own wording: both
may be about the patient, and neither is under the patient's key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.core.errors import AppError, Category, Issue
from app.fhir import primitives
from app.services.cds import REASONS, CdsService
from app.services.cds_uuids import CardUuids

OTHER: Final = "other"  # a reason that is none of ours


@dataclass(frozen=True, slots=True)
class Said:
    """What a client says of one card; ``system`` and ``code`` are of the reason."""

    card: str
    outcome: str
    at: str
    accepted: tuple[str, ...] = ()
    system: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of it; ``at`` in microseconds."""

    card: str
    outcome: str
    reason: str | None
    at: int


def kept(said: Sequence[Said], service: CdsService, uuids: CardUuids) -> Sequence[Kept]:
    """What is to be kept, or ``invalid`` with every problem and its place."""
    issues = [
        Issue("value", text, f"feedback[{number}].{place}")
        for number, each in enumerate(said)
        for place, text in _problems(each, service, uuids)
    ]
    if issues:
        raise AppError(Category.INVALID, issues)
    return [
        Kept(each.card.lower(), each.outcome, _reason(each), primitives.date_range(each.at)[0])
        for each in said
    ]


def _problems(said: Said, service: CdsService, uuids: CardUuids) -> Iterator[tuple[str, str]]:
    if not uuids.gave(said.card):
        yield "card", "is no card of this service for this client"
    elif any(each.lower() != uuids.suggestion(said.card.lower()) for each in said.accepted):
        yield "acceptedSuggestions", "is no suggestion of the card"
    if said.system == REASONS and said.code not in service.reasons:
        yield "overrideReason.reason", "is no reason of this service"
    if not primitives.is_instant(said.at):
        yield "outcomeTimestamp", "is no instant"


def _reason(said: Said) -> str | None:
    if said.code is None:
        return None
    return said.code if said.system == REASONS else OTHER
