"""The FHIR API as an OpenAPI 3.1 document, read off the registry.

https://spec.openapis.org/oas/v3.1.0. What types share (parameters, errors, Bundles) is stated
once, as components; addresses are relative, so the document is the same wherever it is served.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeAlias

from app.fhir import definitions
from app.fhir.capability import Offered
from app.fhir.json import Tree
from app.fhir.openapi.bulk_export import EXPORT, exports
from app.fhir.openapi.parameters import (
    HISTORY,
    SEARCH_RESULT,
    common,
    parameter_name,
    parameters,
)
from app.fhir.openapi.schemas import reference, schemas
from app.fhir.registry import (
    REGISTRY,
    SYSTEM_INTERACTIONS,
    WIRE_TYPES,
    Interaction,
    ResourceType,
)

FHIR_JSON = "application/fhir+json"
BASE = "/fhir"
_CONDITIONAL_READ = ("If-None-Match", "If-Modified-Since")


def document(
    *,
    version: str,
    operations: Iterable[Offered] = (),
    system: Collection[Interaction] = SYSTEM_INTERACTIONS,
    without: Mapping[str, Collection[Interaction]] | None = None,
) -> Tree:
    """The document; arguments as for ``capability_statement``."""
    offered = tuple(operations)
    paths: dict[str, Tree] = {}
    for path, method, operation in _rows(offered, system, without or {}):
        paths.setdefault(path, {})[method] = operation
    outlined = [name for name, entry in REGISTRY.items() if entry.store == "shared"]
    detailed = [*WIRE_TYPES, *(name for name in REGISTRY if name not in outlined)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rapport",
            "version": version,
            "summary": "A FHIR R4 server for the therapeutic alliance",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"smart": []}],
        "tags": [{"name": name} for name in ("System", *REGISTRY)],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**schemas(detailed, outlined), "JSONPatch": _JSON_PATCH},
            "parameters": parameters(),
            "responses": _responses(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "smart": {
                    "type": "openIdConnect",
                    "openIdConnectUrl": "/.well-known/openid-configuration",
                },
            },
        },
    }


# Path, method, operation.
Row: TypeAlias = tuple[str, str, Tree]


def _rows(
    offered: tuple[Offered, ...],
    system: Collection[Interaction],
    without: Mapping[str, Collection[Interaction]],
) -> Iterator[Row]:
    yield from _system(system)
    if any(operation.name == EXPORT for operation in offered):
        yield from exports()
    for name, entry in REGISTRY.items():
        interactions = entry.interactions - set(without.get(name, ()))
        yield from _of_type(entry, interactions)
        yield from _of_instance(entry, interactions)
        yield from _operations(name, offered)


def _system(system: Collection[Interaction]) -> Iterator[Row]:
    metadata = _operation("System", "capabilities", _answer("CapabilityStatement"))
    yield f"{BASE}/metadata", "get", metadata | {"security": []}
    bundle = _answer("Bundle")
    if Interaction.BATCH in system or Interaction.TRANSACTION in system:
        body = _body({FHIR_JSON: reference("Bundle")})
        yield BASE, "post", _operation("System", "batch", bundle, "Prefer", body=body)
    if Interaction.SEARCH_SYSTEM in system:
        names = ("_type", *common(), *SEARCH_RESULT)
        yield BASE, "get", _operation("System", "searchSystem", bundle, *names)
        posted = _operation("System", "searchSystemByPost", bundle, body=_FORM)
        yield f"{BASE}/_search", "post", posted
    if Interaction.HISTORY_SYSTEM in system:
        yield f"{BASE}/_history", "get", _operation("System", "historySystem", bundle, *HISTORY)


def _of_type(entry: ResourceType, interactions: Collection[Interaction]) -> Iterator[Row]:
    """What is addressed to a type as a whole, conditional interactions among it."""
    name, path, bundle = entry.name, f"{BASE}/{entry.name}", _answer("Bundle")
    body = _body({FHIR_JSON: reference(name)})
    if Interaction.SEARCH_TYPE in interactions:
        names = (*map(parameter_name, entry.search.values()), *SEARCH_RESULT)
        yield path, "get", _operation(name, f"search{name}", bundle, *names)
        posted = _operation(name, f"search{name}ByPost", bundle, body=_FORM)
        yield f"{path}/_search", "post", posted
    if Interaction.HISTORY_TYPE in interactions:
        yield f"{path}/_history", "get", _operation(name, f"history{name}", bundle, *HISTORY)
    if Interaction.CREATE in interactions:
        headers = ("Prefer", "If-None-Exist")
        either = _answer(name, "200", "201")
        yield path, "post", _operation(name, f"create{name}", either, *headers, body=body)
    yield from _writes(name, path, interactions, suffix="IfFound", by="criteria")


def _of_instance(entry: ResourceType, interactions: Collection[Interaction]) -> Iterator[Row]:
    name, path, bundle = entry.name, f"{BASE}/{entry.name}/{{id}}", _answer("Bundle")
    if Interaction.READ in interactions:
        names: tuple[str, ...] = ("id", *_CONDITIONAL_READ, "_summary", "_elements")
        answers = _answer(name) | _NOT_MODIFIED
        yield path, "get", _operation(name, f"read{name}", answers, *names)
    yield from _writes(name, path, interactions, suffix="", by="id")
    if Interaction.HISTORY_INSTANCE in interactions:
        history = _operation(name, f"history{name}Instance", bundle, "id", *HISTORY)
        yield f"{path}/_history", "get", history
    if Interaction.VREAD in interactions:
        version = _operation(name, f"read{name}Version", _answer(name), "id", "vid")
        yield f"{path}/_history/{{vid}}", "get", version
    if name in definitions.compartments():
        names = ("id", "type", *common(), *SEARCH_RESULT)
        members = _operation(name, f"search{name}Compartment", bundle, *names)
        yield f"{path}/{{type}}", "get", members


def _writes(
    name: str, path: str, interactions: Collection[Interaction], *, suffix: str, by: str
) -> Iterator[Row]:
    """update, patch and delete, of one by its id or of the one that criteria find."""
    body = _body({FHIR_JSON: reference(name)})
    if Interaction.UPDATE in interactions:
        either = _answer(name, "200", "201")
        id = f"update{name}{suffix}"
        yield path, "put", _operation(name, id, either, by, "Prefer", "If-Match", body=body)
    if Interaction.PATCH in interactions:
        id, answer = f"patch{name}{suffix}", _answer(name)
        yield path, "patch", _operation(name, id, answer, by, "Prefer", "If-Match", body=_PATCH)
    if Interaction.DELETE in interactions:
        yield path, "delete", _operation(name, f"delete{name}{suffix}", _GONE, by, "If-Match")


def _operations(name: str, offered: tuple[Offered, ...]) -> Iterator[Row]:
    """Named operations, by POST and, where they change nothing, by GET."""
    for operation in offered:
        if operation.name == EXPORT:
            continue
        title = "".join(word[:1].upper() + word[1:] for word in operation.name.split("-"))
        for instance in (False, True):
            if not operation.on(name, instance=instance):
                continue
            level, suffix = ("/{id}", "Instance") if instance else ("", "")
            path = f"{BASE}/{name}{level}/${operation.name}"
            for method in ("get", "post") if operation.get else ("post",):
                yield (
                    path,
                    method,
                    _operation(
                        name,
                        f"{method}{title}{name}{suffix}",
                        _answer("Resource"),
                        *(("id",) if instance else ()),
                        body=_OPTIONAL_RESOURCE if method == "post" else None,
                    ),
                )


def _operation(
    tag: str, id: str, responses: Tree, *parameters: str, body: Tree | None = None
) -> Tree:
    operation: Tree = {
        "tags": [tag],
        "operationId": id,
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in parameters],
        "requestBody": body,
        "responses": responses | {"4XX": _response("Error"), "5XX": _response("Error")},
    }
    return {key: value for key, value in operation.items() if value}


def _answer(name: str, *statuses: str) -> Tree:
    return {status: _response(name) for status in statuses or ("200",)}


def _response(name: str) -> Tree:
    return {"$ref": f"#/components/responses/{name}"}


def _body(content: Mapping[str, Tree], *, required: bool = True) -> Tree:
    return {
        "required": required,
        "content": {name: {"schema": schema} for name, schema in content.items()},
    }


_JSON_PATCH: Tree = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["op", "path"],
        "properties": {
            "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
            "path": {"type": "string"},
            "from": {"type": "string"},
            "value": {},
        },
    },
}
_PATCH = _body(
    {
        "application/json-patch+json": reference("JSONPatch"),
        FHIR_JSON: reference("Parameters"),
        "application/merge-patch+json": {"type": "object"},
    }
)
_FORM = _body(
    {
        "application/x-www-form-urlencoded": {
            "type": "object",
            "additionalProperties": {"type": "string"},
        }
    },
    required=False,
)
_OPTIONAL_RESOURCE = _body({FHIR_JSON: reference("Resource")}, required=False)
_GONE: Tree = {"204": {"description": "Deleted, or not there"}}
_NOT_MODIFIED: Tree = {"304": {"description": "Not modified"}}


def _responses() -> Tree:
    headers = {
        name: {"schema": {"type": "string"}} for name in ("ETag", "Last-Modified", "Location")
    }
    found: Tree = {
        name: {
            "description": name,
            "headers": headers,
            "content": {FHIR_JSON: {"schema": reference(name)}},
        }
        for name in REGISTRY
    }
    for name in ("Bundle", "Resource"):
        found[name] = {
            "description": name,
            "content": {FHIR_JSON: {"schema": reference(name)}},
        }
    found["Error"] = {
        "description": "What is wrong, every problem at once",
        "content": {FHIR_JSON: {"schema": reference("OperationOutcome")}},
    }
    return found
