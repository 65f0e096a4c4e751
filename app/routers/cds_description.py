"""The CDS Services in the description of the API; the bodies are those that are read."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from app.fhir.json import Tree
from app.routers.cds_bodies import Feedback, HookCall
from app.services.cds import services

_JSON: Final = "application/json"
_BASE: Final = "/cds-services"
_REFUSED: Final = {"$ref": "#/components/responses/Error"}


def tag() -> Tree:
    """What the operations stand under."""
    return {
        "name": "CDS Hooks",
        "externalDocs": {"url": "https://cds-hooks.hl7.org/2.0/"},
    }


def paths() -> dict[str, Tree]:
    """Each address with its operations."""
    found: dict[str, Tree] = {
        _BASE: {
            "get": _operation("discoverCdsServices", "The services", _object("services"))
            | {"security": []}
        }
    }
    for id in services():
        name = "".join(word.title() for word in id.split("-"))
        answer = _object("cards")
        found[f"{_BASE}/{id}"] = {
            "post": _operation(f"call{name}", "The cards", answer, body=HookCall)
        }
        found[f"{_BASE}/{id}/feedback"] = {
            "post": _operation(f"tell{name}", "It was kept", None, body=Feedback)
        }
    return found


def _operation(
    id: str, told: str, answer: Tree | None, *, body: type[BaseModel] | None = None
) -> Tree:
    operation: Tree = {
        "tags": [tag()["name"]],
        "operationId": id,
        "responses": {
            "200": {"description": told, **({"content": _content(answer)} if answer else {})},
            "4XX": _REFUSED,
            "5XX": _REFUSED,
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": _content(_schema(body))}
    return operation


def _content(schema: Tree) -> Tree:
    return {_JSON: {"schema": schema}}


def _object(member: str) -> Tree:
    items = {"type": "array", "items": {"type": "object"}}
    return {"type": "object", "required": [member], "properties": {member: items}}


def _schema(model: type[BaseModel]) -> Tree:
    """The schema of a body, with what it refers to put in its place."""
    whole = model.model_json_schema(by_alias=True)
    parts = whole.pop("$defs", {})
    tree: Tree = _resolved(whole, parts)
    return tree


def _resolved(node: Any, parts: Tree) -> Any:
    if isinstance(node, list):
        return [_resolved(each, parts) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _resolved(parts[node["$ref"].rpartition("/")[2]], parts)
    return {name: _resolved(each, parts) for name, each in node.items()}
