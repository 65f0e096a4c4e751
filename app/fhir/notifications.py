"""What a subscriber is sent: a Bundle whose first entry says how the Subscription stands.

https://hl7.org/fhir/uv/subscriptions-backport/notifications.html, in the form for R4: the status is
a Parameters resource, and numbers of 64 bits are text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from app.core.clock import format_instant
from app.fhir import bundles, json, parameters
from app.fhir.backport import GUIDE
from app.fhir.json import Tree

NotificationType = Literal[
    "handshake", "heartbeat", "event-notification", "query-status", "query-event"
]
STATUS: Final = f"{GUIDE}/StructureDefinition/backport-subscription-status-r4"


@dataclass(frozen=True, slots=True)
class Happened:
    """An event as it is told: its ``number``, when (microseconds), and the version in its focus.

    ``text`` is the focus as its reader may see it, where it is to be told.
    """

    number: int
    at: int
    type: str
    id: str
    version: int
    text: bytes | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """How a Subscription stands: ``topic`` is a canonical, ``number`` that of its last event."""

    id: str
    topic: str
    status: str
    number: int
    error: str | None = None


def status(
    told: Told,
    kind: NotificationType,
    *,
    base: str,
    id: str,
    happened: Iterable[Happened] = (),
    names_focus: bool = True,
) -> Tree:
    """The status as Parameters; ``names_focus`` tells what the events are about."""
    tree = parameters.parameters(
        parameters.reference("subscription", f"{base}/Subscription/{told.id}"),
        parameters.value("topic", "canonical", told.topic),
        parameters.value("status", "code", told.status),
        parameters.value("type", "code", kind),
        parameters.value("events-since-subscription-start", "string", str(told.number)),
        *(
            parameters.group(
                "notification-event",
                parameters.value("event-number", "string", str(event.number)),
                {"name": "timestamp", "valueInstant": format_instant(event.at)},
                parameters.reference("focus", f"{base}/{event.type}/{event.id}")
                if names_focus
                else None,
            )
            for event in happened
        ),
        {"name": "error", "valueCodeableConcept": {"text": told.error}} if told.error else None,
    )
    return {"resourceType": "Parameters", "id": id, "meta": {"profile": [STATUS]}} | tree


def notification(
    told: Told,
    kind: NotificationType,
    *,
    base: str,
    ids: tuple[str, str],
    now: int,
    content: str,
    happened: Sequence[Happened] = (),
) -> bytes:
    """The Bundle as JSON text; ``ids`` are those of the Bundle and of the status in it."""
    first = status(
        told, kind, base=base, id=ids[1], happened=happened, names_focus=content != "empty"
    )
    entries = [
        bundles.Entry(
            resource=json.dumps(first),
            full_url=f"urn:uuid:{ids[1]}",
            request=bundles.Request("GET", f"{base}/Subscription/{told.id}/$status"),
            response=bundles.Response("200"),
        )
    ]
    if content != "empty":
        about = {(event.type, event.id): event for event in happened}
        entries += [_focus(event, base) for event in about.values()]
    return bundles.bundle("history", entries, id=ids[0], timestamp=format_instant(now))


def _focus(event: Happened, base: str) -> bundles.Entry:
    made = event.version == 1
    where = event.type if made else f"{event.type}/{event.id}"
    return bundles.Entry(
        resource=event.text,
        full_url=f"{base}/{event.type}/{event.id}",
        request=bundles.Request("POST" if made else "PUT", where),
        response=bundles.Response("201" if made else "200"),
    )
