"""The parameters of the document, each stated once.

https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/R4/http.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.fhir.json import Tree
from app.fhir.registry import REGISTRY, SearchParameter

SEARCH_RESULT = (
    *("_count", "_sort", "_include", "_revinclude", "_has", "_total", "_summary", "_elements"),
    "_cursor",
)
HISTORY = ("_count", "_since", "_at", "_cursor")


def parameters() -> Tree:
    """Every parameter by component name."""
    searches = {
        parameter_name(parameter): _search_parameter(parameter)
        for entry in REGISTRY.values()
        for parameter in entry.search.values()
    }
    return dict(sorted(searches.items())) | _SHARED


def common() -> list[str]:
    """The parameters that every type has."""
    return [parameter_name(p) for p in REGISTRY["Patient"].search.values() if p.code[0] == "_"]


def parameter_name(parameter: SearchParameter) -> str:
    """The component name: types share what has the same name and type."""
    return f"{parameter.code}.{parameter.type}"


def _search_parameter(parameter: SearchParameter) -> Tree:
    return {
        "name": parameter.code,
        "in": "query",
        "description": f"{parameter.type}; repeat for and, comma for or",
        "schema": {"type": "array", "items": {"type": "string"}},
    }


def _shared(where: str, name: str, about: str, schema: Mapping[str, Any] | None = None) -> Tree:
    parameter: Tree = {"name": name, "in": where, "description": about}
    if where == "path":
        parameter["required"] = True
    return parameter | {"schema": dict(schema or {"type": "string"})}


_ID = {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"}
_STRINGS = {"type": "array", "items": {"type": "string"}}
# In a query an object is written as a parameter for each of its members.
_PAIRS = {"type": "object", "additionalProperties": {"type": "string"}}
_SHARED: Tree = {
    "id": _shared("path", "id", "Logical id", _ID),
    "vid": _shared("path", "vid", "Version", {"type": "integer", "minimum": 1}),
    "type": _shared("path", "type", "A resource type, or * for all", {"enum": ["*", *REGISTRY]}),
    "_type": _shared("query", "_type", "Resource types, separated by commas"),
    "_count": _shared("query", "_count", "Page size", {"type": "integer", "minimum": 0}),
    "_sort": _shared("query", "_sort", "Parameters, separated by commas; - for descending"),
    "_include": _shared("query", "_include", "Type:parameter[:target]", _STRINGS),
    "_revinclude": _shared("query", "_revinclude", "Type:parameter[:target]", _STRINGS),
    "_has": _shared("query", "_has", "Keys are _has:Type:parameter:parameter", _PAIRS),
    "_total": _shared("query", "_total", "Total", {"enum": ["none", "estimate", "accurate"]}),
    "_summary": _shared(
        "query", "_summary", "Summary", {"enum": ["true", "text", "data", "count", "false"]}
    ),
    "_elements": _shared("query", "_elements", "Top-level elements, separated by commas"),
    "_cursor": _shared("query", "_cursor", "From a link of the page before; opaque"),
    "_since": _shared("query", "_since", "Versions from this instant on"),
    "_at": _shared("query", "_at", "Versions that were current at this time"),
    "criteria": _shared("query", "criteria", "Search parameters: the resource meant", _PAIRS),
    "Prefer": _shared("header", "Prefer", "return=minimal|representation|OperationOutcome"),
    "If-Match": _shared("header", "If-Match", 'The version expected, W/"3"'),
    "If-None-Match": _shared("header", "If-None-Match", 'A version at hand, W/"3"'),
    "If-Modified-Since": _shared("header", "If-Modified-Since", "An HTTP date"),
    "If-None-Exist": _shared("header", "If-None-Exist", "Search parameters: create unless found"),
}
