"""Parameters in and out, for tests of operations."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

Tree = dict[str, Any]


def parameters(*pairs: tuple[str, Any], **named: Any) -> Tree:
    """Parameters of plain values: each under the ``value[x]`` of its Python type."""
    parts = [{"name": name, **_value(value)} for name, value in (*pairs, *named.items())]
    return {"resourceType": "Parameters", **({"parameter": parts} if parts else {})}


def _value(value: Any) -> Tree:
    match value:
        case bool():
            return {"valueBoolean": value}
        case int():
            return {"valueInteger": value}
        case float() | Decimal():
            return {"valueDecimal": float(value)}
        case dict() if "resourceType" in value:
            return {"resource": value}
        case dict():
            return {"valueReference": value}
        case _:
            return {"valueCode": value}


def told(tree: Tree) -> list[tuple[str, Any]]:
    """What Parameters say: names with their values, parts as dictionaries, in order."""
    assert tree["resourceType"] == "Parameters", tree
    return [_told(part) for part in tree.get("parameter", ())]


def _told(part: Tree) -> tuple[str, Any]:
    name = part["name"]
    if "part" in part:
        parts: dict[str, Any] = {}
        for key, value in map(_told, part["part"]):
            if isinstance(value, dict) and key == "point":
                parts.setdefault(key, []).append(value)
            else:
                parts[key] = value
        return name, parts
    value = next(value for key, value in part.items() if key.startswith("value"))
    return name, value["reference"] if isinstance(value, dict) else value


def one(tree: Tree) -> dict[str, Any]:
    """The same where no name stands twice."""
    pairs = told(tree)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def all_of(tree: Tree, name: str) -> list[Any]:
    """Every value under a name, in order."""
    return [value for key, value in told(tree) if key == name]
