"""Bundles around resources that are already text: https://hl7.org/fhir/R4/bundle.html.

A page of a thousand resources is joined, not parsed: every resource goes out as the bytes
that were stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import orjson

from app.fhir.json import Tree, dumps

_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
# As the server writes it into each resource that it stores.
_LABEL = re.compile(rb'"system":"%s","code":"([ULMNRV])"' % _CONFIDENTIALITY.encode())

BundleType = Literal["searchset", "history", "batch-response", "transaction-response", "collection"]
SearchMode = Literal["match", "include", "outcome"]


@dataclass(frozen=True, slots=True)
class Request:
    """``entry.request`` of a history: the method and relative URL that made a version."""

    method: str
    url: str


@dataclass(frozen=True, slots=True)
class Response:
    """``entry.response``: ``status`` such as ``201 Created``, ``last_modified`` an instant."""

    status: str
    location: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    outcome: Tree | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; ``resource`` is JSON text."""

    resource: bytes | None = None
    full_url: str | None = None
    search: SearchMode | None = None
    request: Request | None = None
    response: Response | None = None


def bundle(
    type: BundleType,
    entries: Iterable[Entry] = (),
    *,
    id: str | None = None,
    timestamp: str | None = None,
    total: int | None = None,
    links: Mapping[str, str] | None = None,
) -> bytes:
    """The Bundle as JSON text.

    ``links`` maps relations (``self``, ``next``, ``first``, ``previous``) to URLs, in order.
    ``total`` belongs to searchset and history only (bdl-1); ``timestamp`` is an instant.
    """
    entries = list(entries)
    tree: Tree = {
        "resourceType": "Bundle",
        "id": id,
        "meta": _high_water_mark(entries),
        "type": type,
        "timestamp": timestamp,
        "total": total,
        "link": [{"relation": relation, "url": url} for relation, url in (links or {}).items()],
        "entry": [_entry(entry) for entry in entries],
    }
    # JSON in FHIR has no empty arrays and no nulls; a total of zero is a fact.
    return dumps({key: value for key, value in tree.items() if value not in (None, [])})


def _high_water_mark(entries: Iterable[Entry]) -> Tree | None:
    """The label that is the highest among the resources, as each says it of itself.

    https://hl7.org/fhir/R4/security-labels.html: a reader of the Bundle reads them all.
    """
    found = {
        label for entry in entries if entry.resource for label in _LABEL.findall(entry.resource)
    }
    if not found:
        return None
    highest = max(found, key=b"ULMNRV".index).decode()
    return {"security": [{"system": _CONFIDENTIALITY, "code": highest}]}


def _entry(entry: Entry) -> Tree:
    tree: Tree = {}
    if entry.full_url is not None:
        tree["fullUrl"] = entry.full_url
    if entry.resource is not None:
        tree["resource"] = orjson.Fragment(entry.resource)
    if entry.search is not None:
        tree["search"] = {"mode": entry.search}
    if entry.request is not None:
        tree["request"] = {"method": entry.request.method, "url": entry.request.url}
    if entry.response is not None:
        tree["response"] = _response(entry.response)
    return tree


def _response(response: Response) -> Tree:
    tree: Tree = {
        "status": response.status,
        "location": response.location,
        "etag": response.etag,
        "lastModified": response.last_modified,
        "outcome": response.outcome,
    }
    return {key: value for key, value in tree.items() if value is not None}
