"""Bulk export, whose answers are no FHIR resources: https://hl7.org/fhir/uv/bulkdata/export."""

from __future__ import annotations

from collections.abc import Iterator

from app.fhir.json import Tree
from app.fhir.openapi.schemas import reference

EXPORT = "export"
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
    """Path, method and operation of each kick-off, of a status and of a file."""
    query = [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in _QUERY.items()
    ]
    place = {"Content-Location": {"schema": {"type": "string", "format": "uri"}}}
    accepted: Tree = {"202": {"description": "Accepted", "headers": place}}
    body = {"content": {"application/fhir+json": {"schema": reference("Parameters")}}}
    for tag, path, of in (
        ("System", "", []),
        ("Patient", "/Patient", []),
        ("Group", "/Group/{id}", [_path("id")]),
    ):
        address, name = f"/fhir{path}/${EXPORT}", "" if tag == "System" else tag
        parameters = [*of, _PREFER]
        asked = _operation(tag, f"getExport{name}", accepted, [*parameters, *query])
        yield address, "get", asked
        posted = _operation(tag, f"postExport{name}", accepted, parameters)
        yield address, "post", posted | {"requestBody": body}
    job, file = _path("job"), _path("file")
    ready = {"description": "Ready", "content": {"application/json": {"schema": _MANIFEST}}}
    status: Tree = {"200": ready, "202": {"description": "Being prepared"}}
    one = f"/fhir/${EXPORT}/{{job}}"
    yield one, "get", _operation("System", "getExportStatus", status, [job])
    ended: Tree = {"202": {"description": "Ended"}}
    yield one, "delete", _operation("System", "cancelExport", ended, [job])
    lines = {"application/fhir+ndjson": {"schema": {"type": "string"}}}
    given: Tree = {"200": {"description": "A resource a line", "content": lines}}
    yield f"{one}/{{file}}", "get", _operation("System", "getExportFile", given, [job, file])


def _path(name: str) -> Tree:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _operation(tag: str, id: str, responses: Tree, parameters: list[Tree]) -> Tree:
    error = {"$ref": "#/components/responses/Error"}
    return {
        "tags": [tag],
        "operationId": id,
        "parameters": parameters,
        "responses": responses | {"4XX": error, "5XX": error},
    }
