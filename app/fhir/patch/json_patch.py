"""JSON Patch, RFC 6902, with JSON Pointer, RFC 6901.

One step past the RFC: FHIR has no empty arrays and objects
(https://hl7.org/fhir/R4/json.html), so a container that removals left empty goes too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from app.core.errors import AppError, Category, Issue
from app.fhir.json import JSON, MAX_DEPTH, Tree, equal
from app.fhir.patch.document import MAX_GROWTH, MAX_OPERATIONS, copy, measure, refuse


def apply(tree: Tree, patch: JSON) -> Tree:
    """The tree after every operation in order; the first that fails refuses them all."""
    operations = _operations(patch)
    document = _Document(copy(tree))
    for operation in operations:
        _APPLY[operation.op](document, operation)
    if not isinstance(document.root, dict):
        refuse("structure", "the result is not a JSON object")
    return document.pruned()


@dataclass(frozen=True, slots=True)
class _Operation:
    """One operation; pointers as their reference tokens, ``source`` from its ``from``."""

    number: int
    op: str
    path: tuple[str, ...]
    source: tuple[str, ...] = ()
    value: JSON = None

    def refuse(self, code: str, why: str) -> NoReturn:
        refuse(code, f"operation {self.number} ({self.op}): {why}")


@dataclass(slots=True)
class _Document:
    """The tree being changed, what was added so far, and which containers were emptied."""

    root: JSON
    growth: int = 0
    emptied: dict[int, JSON] = field(default_factory=dict)

    def get(self, operation: _Operation, pointer: tuple[str, ...], *, what: str = "path") -> JSON:
        """The value that a pointer leads to."""
        node = self.root
        for token in pointer:
            if isinstance(node, dict) and token in node:
                node = node[token]
            elif isinstance(node, list):
                node = node[_index(operation, token, len(node) - 1)]
            else:
                operation.refuse("not-found", f"{what} does not exist")
        return node

    def add(self, operation: _Operation, value: JSON) -> None:
        if not operation.path:
            self.root = value
            return
        *above, last = operation.path
        parent = self.get(operation, tuple(above))
        if isinstance(parent, dict):
            parent[last] = value
        elif isinstance(parent, list):
            at = len(parent) if last == "-" else _index(operation, last, len(parent))
            parent.insert(at, value)
        else:
            operation.refuse("not-found", "path does not exist")

    def remove(
        self, operation: _Operation, pointer: tuple[str, ...], *, what: str = "path"
    ) -> JSON:
        value = self.get(operation, pointer, what=what)
        if not pointer:
            operation.refuse("invalid", "the whole resource cannot be removed")
        parent = self.get(operation, pointer[:-1])
        if isinstance(parent, dict):
            del parent[pointer[-1]]
        else:
            del parent[int(pointer[-1])]
        if not parent:
            self.emptied[id(parent)] = parent
        return value

    def admit(self, operation: _Operation, value: JSON) -> None:
        """Count what an operation adds; copies of copies would double without end."""
        size, depth = measure(value)
        self.growth += size
        if self.growth > MAX_GROWTH:
            operation.refuse("too-costly", "the patch adds too much")
        if len(operation.path) + depth - 1 > MAX_DEPTH:
            operation.refuse("too-costly", f"the result nests deeper than {MAX_DEPTH}")

    def pruned(self) -> Tree:
        """The root without the containers that removals left empty."""
        if self.emptied:
            self._prune(self.root)
        root: Tree = self.root
        return root

    def _prune(self, node: JSON) -> bool:
        """Whether anything is left of a node."""
        if isinstance(node, dict):
            before = len(node)
            for key, child in list(node.items()):
                # Items of a primitive's sibling array keep their places.
                if not (key.startswith("_") and isinstance(child, list)) and not self._prune(child):
                    del node[key]
        elif isinstance(node, list):
            before = len(node)
            node[:] = [child for child in node if self._prune(child)]
        else:
            return True
        return bool(node) or not (before or id(node) in self.emptied)


def _add(document: _Document, operation: _Operation) -> None:
    document.admit(operation, operation.value)
    document.add(operation, copy(operation.value))


def _remove(document: _Document, operation: _Operation) -> None:
    document.remove(operation, operation.path)


def _replace(document: _Document, operation: _Operation) -> None:
    document.admit(operation, operation.value)
    document.get(operation, operation.path)
    value = copy(operation.value)
    if not operation.path:
        document.root = value
        return
    *above, last = operation.path
    parent = document.get(operation, tuple(above))
    parent[last if isinstance(parent, dict) else int(last)] = value


def _move(document: _Document, operation: _Operation) -> None:
    source = operation.source
    if operation.path[: len(source)] == source and operation.path != source:
        operation.refuse("invalid", "a value cannot be moved into itself")
    value = document.get(operation, source, what="from")
    document.admit(operation, value)
    if operation.path != source:
        document.remove(operation, source, what="from")
        document.add(operation, value)


def _copy(document: _Document, operation: _Operation) -> None:
    value = document.get(operation, operation.source, what="from")
    document.admit(operation, value)
    document.add(operation, copy(value))


def _test(document: _Document, operation: _Operation) -> None:
    if not equal(document.get(operation, operation.path), operation.value):
        operation.refuse("conflict", "the value is not the expected one")


_APPLY: dict[str, Callable[[_Document, _Operation], None]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def _index(operation: _Operation, token: str, last: int) -> int:
    if not _INDEX.fullmatch(token):
        operation.refuse("invalid", "path has no array index where an array is")
    if int(token) > last:
        operation.refuse("not-found", "path is past the end of an array")
    return int(token)


def _operations(patch: JSON) -> list[_Operation]:
    """The operations of a patch document, or every problem with its form."""
    if not isinstance(patch, list):
        refuse("structure", "a JSON Patch is an array of operations")
    if len(patch) > MAX_OPERATIONS:
        refuse("too-costly", f"more than {MAX_OPERATIONS} operations")
    operations, issues = [], []
    for number, given in enumerate(patch):
        problems = _problems(given)
        issues += [Issue("structure", f"operation {number}: {problem}") for problem in problems]
        if not problems:
            operations.append(
                _Operation(
                    number,
                    given["op"],
                    _tokens(given["path"]),
                    _tokens(given.get("from", "")),
                    given.get("value"),
                )
            )
    if issues:
        raise AppError(Category.UNPROCESSABLE, issues)
    return operations


def _problems(given: JSON) -> list[str]:
    if not isinstance(given, dict):
        return ["not an object"]
    op = given.get("op")
    if not isinstance(op, str) or op not in _APPLY:
        return [f"op is none of {' '.join(_APPLY)}"]
    problems = [
        f"{name} is not a JSON Pointer"
        for name in ("path", "from")
        if (name == "path" or op in ("move", "copy"))
        and not (isinstance(given.get(name), str) and _POINTER.fullmatch(given[name]))
    ]
    if op in ("add", "replace", "test") and "value" not in given:
        problems.append("value is missing")
    return problems


_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")


def _tokens(pointer: JSON) -> tuple[str, ...]:
    if not isinstance(pointer, str):
        return ()
    return tuple(t.replace("~1", "/").replace("~0", "~") for t in pointer.split("/")[1:])
