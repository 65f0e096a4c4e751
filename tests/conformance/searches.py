"""Search values that a resource should be found by, from what it holds."""

from __future__ import annotations

from typing import Any

from app.fhir import paths
from app.fhir.registry import REGISTRY, SearchParameter


def values(tree: dict[str, Any], parameter: SearchParameter) -> list[str]:
    """A value for each thing in the resource that the parameter is about, as a query says it."""
    if parameter.code == "_id":
        return [tree["id"]]
    if parameter.code == "_lastUpdated":
        return [tree["meta"]["lastUpdated"]] if "lastUpdated" in tree.get("meta", {}) else []
    if not parameter.expression:
        return []
    found = paths.compile(parameter.expression).select(tree)
    if parameter.type == "composite":
        return [text for node in found if (text := _composite(node, tree, parameter)) is not None]
    return [text for value in found if (text := _text(parameter.type, value)) is not None]


def _composite(node: Any, tree: dict[str, Any], parameter: SearchParameter) -> str | None:
    parts = []
    for component in parameter.components:
        within = node if "resourceType" not in node else tree
        selected = _select(within, component.expression)
        texts = [text for value in selected if (text := _text(component.type, value)) is not None]
        if not texts:
            return None
        parts.append(texts[0])
    return "$".join(parts)


def _select(node: Any, expression: str) -> list[Any]:
    """The few forms that component expressions have: ``a.b``, ``value.as(Type)``."""
    found: list[Any] = []
    for path in expression.split("|"):
        name, _, rest = path.strip().partition(".")
        kind = rest.partition("as(")[2].rstrip(")")
        for key in [name + kind] if kind else [name]:
            value = node.get(key)
            found += value if isinstance(value, list) else [value] if value is not None else []
    return found


def _text(type_: str, value: Any) -> str | None:
    return _TEXTS[type_](value)


def _token(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, dict):
        return _escaped(value)
    if "coding" in value:
        return _token(value["coding"][0])
    code = value.get("code", value.get("value"))
    system = value.get("system", "")
    if code is None:
        return None
    is_uri = system.startswith(("http", "urn"))
    return f"{_escaped(system)}|{_escaped(code)}" if is_uri else _escaped(code)


def _reference(value: Any) -> str | None:
    text = value.get("reference") if isinstance(value, dict) else value
    return _escaped(text and text.partition("/_history/")[0])


def _date(value: Any) -> str | None:
    if not isinstance(value, dict):
        return _escaped(value)
    return f"ge{value['start']}" if "start" in value else None


def _string(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("family") or value.get("city") or value.get("text")
    return _escaped(value)


def _quantity(value: Any) -> str | None:
    if "low" in value:
        return f"ge{value['low']['value']}"
    return f"{value['value']}|{_escaped(value['system'])}|{_escaped(value['code'])}"


def _escaped(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    for character in "\\,$|":
        text = text.replace(character, f"\\{character}")
    return text


_TEXTS = {
    "token": _token,
    "reference": _reference,
    "date": _date,
    "string": _string,
    "quantity": _quantity,
    "number": _escaped,
    "uri": _escaped,
    "special": lambda _: None,
}


def parameters(type_name: str) -> list[SearchParameter]:
    """Every parameter of a type."""
    return list(REGISTRY[type_name].search.values())
