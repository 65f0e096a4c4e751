"""The document under change, and the bounds of change."""

from __future__ import annotations

from typing import NoReturn

from app.core.errors import AppError, Category
from app.fhir.json import JSON, MAX_DEPTH

MAX_OPERATIONS = 1_000
# What operations may add in all, about in bytes of JSON: as much as a body may have.
MAX_GROWTH = 5 * 1024 * 1024


def copy(value: JSON) -> JSON:
    """The value with containers of its own; leaves cannot change and are shared."""
    if isinstance(value, dict):
        return {key: copy(child) for key, child in value.items()}
    if isinstance(value, list):
        return [copy(item) for item in value]
    return value


def measure(value: JSON) -> tuple[int, int]:
    """About how many bytes of JSON a value takes, and how deep it nests; 1 is a leaf."""
    size, depth, level = 0, 0, [value]
    while level:
        depth += 1
        below: list[JSON] = []
        for node in level:
            if isinstance(node, dict):
                size += sum(map(len, node)) + 4 * len(node) + 2
                below += node.values()
            elif isinstance(node, list):
                size += len(node) + 2
                below += node
            else:
                size += len(node) + 2 if isinstance(node, str) else len(str(node))
        level = below
    return size, depth


def check_depth(tree: JSON) -> None:
    """Refuse a result that no request could have carried."""
    if measure(tree)[1] - 1 > MAX_DEPTH:
        refuse("too-costly", f"the result nests deeper than {MAX_DEPTH}")


def refuse(code: str, why: str, expression: str = "") -> NoReturn:
    """End the patch with one issue."""
    raise AppError.of(Category.UNPROCESSABLE, code, why, expression)
