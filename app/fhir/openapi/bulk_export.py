"""Bulk export, whose answers are no FHIR resources: https://hl7.org/fhir/uv/bulkdata/export."""

from __future__ import annotations

from collections.abc import Iterator

from app.fhir.json import Tree
from app.fhir.openapi.schemas import reference

_BASE = "/fhir/$export"
_PREFER: Tree = {
    "name": "Prefer",
    "in": "header",
    "required": True,
    "description": "`respond-async`; with `handling=lenient` what is not known is ignored",
    "schema": {"type": "string"},
}
_QUERY: dict[str, str] = {
    "_outputFormat": "application/fhir+ndjson, application/ndjson or ndjson",
    "_since": "only what was changed since",
    "_type": "types, between commas",
    "_typeFilter": "searches of one type each, of which one must be met",
    "_elements": "elements, between commas",
}
_MANIFEST: Tree = {
    "type": "object",
    "required": ["transactionTime", "request", "requiresAccessToken", "output", "error"],
    "properties": {
        "transactionTime": {"type": "string", "format": "date-time"},
        "request": {"type": "string", "format": "uri"},
        "requiresAccessToken": {"type": "boolean"},
        **{
            name: {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["type", "url"],
                    "properties": {
                        "type": {"type": "string"},
                        "url": {"type": "string", "format": "uri"},
                    },
                },
            }
            for name in ("output", "deleted", "error")
        },
    },
}


def exports() -> Iterator[tuple[str, str, Tree]]:
    """Path, method and operation of the kick-off of a system, of a status and of a file."""
    query = [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in _QUERY.items()
    ]
    place = {"Content-Location": {"schema": {"type": "string", "format": "uri"}}}
    accepted: Tree = {"202": {"description": "Accepted", "headers": place}}
    yield _BASE, "get", _operation("getExport", accepted, [_PREFER, *query])
    body = {"content": {"application/fhir+json": {"schema": reference("Parameters")}}}
    yield _BASE, "post", _operation("postExport", accepted, [_PREFER]) | {"requestBody": body}
    job, file = _path("job"), _path("file")
    ready = {"description": "Ready", "content": {"application/json": {"schema": _MANIFEST}}}
    status: Tree = {"200": ready, "202": {"description": "Being prepared"}}
    yield f"{_BASE}/{{job}}", "get", _operation("getExportStatus", status, [job])
    ended: Tree = {"202": {"description": "Ended"}}
    yield f"{_BASE}/{{job}}", "delete", _operation("cancelExport", ended, [job])
    lines = {"application/fhir+ndjson": {"schema": {"type": "string"}}}
    given: Tree = {"200": {"description": "A resource a line", "content": lines}}
    yield f"{_BASE}/{{job}}/{{file}}", "get", _operation("getExportFile", given, [job, file])


def _path(name: str) -> Tree:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _operation(id: str, responses: Tree, parameters: list[Tree]) -> Tree:
    error = {"$ref": "#/components/responses/Error"}
    return {
        "tags": ["System"],
        "operationId": id,
        "parameters": parameters,
        "responses": responses | {"4XX": error, "5XX": error},
    }
