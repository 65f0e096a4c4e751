"""What a client is told of by the log of their own record."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from tests.http.answers import ok, resources


async def told(who: httpx.AsyncClient, patient: str) -> list[dict[str, Any]]:
    """Every AuditEvent that a client can come by, whichever way; all ways agree."""
    found = ok(await who.get("AuditEvent?_count=500&_total=accurate"))
    events = resources(found)
    assert found["total"] == len(events)
    counted = ok(await who.get("AuditEvent?_summary=count"))
    # The search before is in the log by now.
    assert counted["total"] >= len(events)
    account = resources(ok(await who.get(f"{patient}/$accounting-of-disclosures")))
    assert {event["id"] for event in account} <= {event["id"] for event in events}
    return [*events, *account]


def named(events: list[dict[str, Any]]) -> set[str]:
    """What the events are about, and the requests that they tell of."""
    found = set()
    for event in events:
        for entity in event.get("entity", ()):
            if reference := entity.get("what", {}).get("reference"):
                found.add(reference.partition("/_history")[0])
            if "query" in entity:
                found.add(base64.b64decode(entity["query"]).decode())
    return found
