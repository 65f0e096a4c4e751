"""One record of the audit log, its id, and the bytes that the tree holds for it.

A record is narrow, its AuditEvent is not; so the event is built on read (``event.py``), and
``form`` names the way it is built. The tree commits to the built event: a form never changes
once records carry it, a change is a new form.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from app.core.clock import format_instant

FORM = 1
_ID = re.compile(r"[0-9]{13}-[0-9]{19}", re.ASCII)
SUCCESS, MINOR, SERIOUS, MAJOR = "0", "4", "8", "12"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One event about at most one patient: a row of the log.

    ``recorded`` is in microseconds, whole milliseconds as the AuditEvent shows; with ``aid``
    (63 bits: the microseconds left over, then random) it makes the event's id.
    ``event`` is a key of ``KINDS``; ``outcome`` an audit-event-outcome code, ``reason`` the
    issue code of a refusal. ``actor``, ``entity`` and ``consent`` are relative references,
    ``patient`` a Patient's id, ``token`` a JWT's id, ``query`` the request as the log tells it;
    ``basis`` says on what a decision rested, ``provision`` which rule of the Consent it was;
    ``organization`` is the caller's; ``detail`` is a flat JSON object of strings.
    """

    tenant: int
    recorded: int
    aid: int
    salt: bytes
    site: str
    event: str
    outcome: str = SUCCESS
    reason: str | None = None
    actor: str | None = None
    subject: str | None = None
    name: str | None = None
    role: str | None = None
    client: str | None = None
    client_name: str | None = None
    issuer: str | None = None
    token: str | None = None
    address: str | None = None
    purpose: str | None = None
    entity: str | None = None
    entity_version: int | None = None
    entity_name: str | None = None
    patient: str | None = None
    query: str | None = None
    request: str | None = None
    decision: str | None = None
    basis: str | None = None
    consent: str | None = None
    consent_version: int | None = None
    provision: str | None = None
    organization: str | None = None
    detail: str | None = None
    form: int = FORM

    @property
    def id(self) -> str:
        """The AuditEvent's id."""
        return event_id(self.recorded, self.aid)

    @property
    def by_person(self) -> bool:
        """Whether a person acted through the client, rather than the client for itself."""
        return self.subject is not None and self.subject != self.client


def event_id(recorded: int, aid: int) -> str:
    """The id of an event: milliseconds and number, in decimal, so that ids sort by time."""
    return f"{recorded // 1000:013d}-{aid:019d}"


def event_key(id: str) -> tuple[int, int] | None:
    """The instant and number of an id, None for what is no id of an event."""
    if not _ID.fullmatch(id):
        return None
    millis, _, number = id.partition("-")
    return int(millis) * 1000, int(number)


def leaf(recorded: int, aid: int, commitment: bytes) -> bytes:
    """The bytes that the tree holds for an event: canonical JSON, no tenant and no person."""
    return b'{"commitment":"%b","id":"%b","recorded":"%b"}' % (
        base64.b64encode(commitment),
        event_id(recorded, aid).encode(),
        format_instant(recorded).encode(),
    )
