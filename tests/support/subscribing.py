"""A clinic where subscribers are on this machine, as in the demo, and what they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from tests.http.answers import made, ok
from tests.support.application import Clinic
from tests.support.receiver import Posted, Receiver

Tree = dict[str, Any]
TOPICS = "https://rapport.example.org/SubscriptionTopic/"
GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"


def extension(name: str, **value: Any) -> Tree:
    return {"url": GUIDE + name, **value}


def subscription(
    topic: str,
    endpoint: str | None = None,
    *,
    content: str | None = "full-resource",
    filters: tuple[str, ...] = (),
    header: list[str] | None = None,
    channel: Tree | None = None,
    **more: Any,
) -> Tree:
    """A Subscription to a topic by its code."""
    way: Tree = {"type": "rest-hook", "payload": "application/fhir+json", **(channel or {})}
    if endpoint is not None:
        way["endpoint"] = endpoint
    if header is not None:
        way["header"] = header
    if content is not None:
        way["_payload"] = {"extension": [extension("backport-payload-content", valueCode=content)]}
    tree: Tree = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "to be told",
        "criteria": TOPICS + topic,
        "channel": way,
        **more,
    }
    if filters:
        tree["_criteria"] = {
            "extension": [extension("backport-filter-criteria", valueString=f) for f in filters]
        }
    return tree


@dataclass
class Subscribed:
    """A Subscription of the clinic's record system, or of another client."""

    clinic: Clinic
    receiver: Receiver
    http: httpx.AsyncClient
    where: str

    @property
    def id(self) -> str:
        return self.where.partition("/")[2]

    async def read(self) -> Tree:
        return ok(await self.http.get(self.where))

    async def deliver(self) -> list[Posted]:
        """What came of events when all that is due was delivered."""
        await self.clinic.settle()
        before = len(self.receiver.events)
        await self.clinic.application.deliver()
        return self.receiver.events[before:]


async def subscribe(
    clinic: Clinic,
    receiver: Receiver,
    topic: str,
    http: httpx.AsyncClient | None = None,
    **more: Any,
) -> Subscribed:
    """A Subscription whose handshake was answered."""
    client = http or clinic.http
    where = made(await client.post("Subscription", json=subscription(topic, receiver.url, **more)))
    found = Subscribed(clinic, receiver, client, where)
    await clinic.application.deliver()
    assert (await found.read())["status"] == "active"
    return found
