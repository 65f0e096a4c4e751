"""Bundles around resources that are already text: https://hl7.org/fhir/R4/bundle.html.

A page of a thousand resources is joined, not parsed: every resource goes out as the bytes
that were stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import orjson

from app.fhir.json import Tree, dumps
from app.fhir.security_labels import sensitivities

_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_SENSITIVITY = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_ORDER = "ULMNRV"
# As the server writes ``meta`` into each resource that it stores.
_SECURITY = b'"security":['

BundleType = Literal[
    "searchset", "history", "transaction", "batch-response", "transaction-response", "collection"
]
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
    """The labels of all resources, as each says them of itself: of confidentiality the highest.

    A reader of the Bundle reads them all: https://hl7.org/fhir/R4/security-labels.html. What is to
    be done with one of them (``MASK``, ``NODSCLCD``) is not said of the Bundle:
    https://build.fhir.org/ig/HL7/fhir-security-label-ds4p/detailed_specifications.html.
    """
    found = frozenset[tuple[str, str]]().union(
        *{_labels(entry.resource) for entry in entries if entry.resource}
    )
    levels = [code for system, code in found if system == _CONFIDENTIALITY]
    labels = [(_CONFIDENTIALITY, max(levels, key=_ORDER.index))] if levels else []
    labels += sorted(label for label in found if label[0] == _SENSITIVITY)
    security = [{"system": system, "code": code} for system, code in labels]
    return {"security": security} if security else None


def _labels(text: bytes) -> frozenset[tuple[str, str]]:
    begin = text.find(_SECURITY)
    if begin < 0:
        return frozenset()
    begin += len(_SECURITY) - 1
    return _read(text[begin : text.find(b"]", begin) + 1]) or _told(
        orjson.loads(text).get("meta", {}).get("security", ())
    )


@lru_cache(maxsize=1024)
def _read(security: bytes) -> frozenset[tuple[str, str]] | None:
    """Labels from their text; none where a bracket inside of one cut it short."""
    try:
        return _told(orjson.loads(security))
    except ValueError:
        return None


def _told(codings: Iterable[Tree]) -> frozenset[tuple[str, str]]:
    known = {_CONFIDENTIALITY: _ORDER, _SENSITIVITY: sensitivities()}
    labels = ((each.get("system", ""), each.get("code", "")) for each in codings)
    return frozenset(
        (system, code) for system, code in labels if code and code in known.get(system, ())
    )


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
