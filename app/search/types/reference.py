"""reference: to a resource here, to one elsewhere, to a canonical URL with or without version.

https://hl7.org/fhir/R4/search.html#reference. ``:Type`` says which type a bare id is of;
``:identifier`` asks for the identifier that the reference itself carries. An index row holds
the type's number and id of a local target; of any other target the number 0 and its URL, as
of a type that is not served.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import ColumnElement, String, and_, cast, literal_column

from app.db.tables.indexes import idx_reference, idx_token
from app.fhir import references
from app.fhir.definitions import resource_types
from app.fhir.paths.nodes import Node
from app.fhir.primitives import is_id
from app.fhir.registry import ENTRIES
from app.search import tokens
from app.search.escapes import unescape
from app.search.expression import Expression, Test
from app.search.keys import key
from app.search.tokens import system_id
from app.search.types import Asked, Refused, Row
from app.search.values import Columns, equals, one_of

INDEXES = {"": idx_reference, ":identifier": idx_token}
MODIFIERS = resource_types() | {"identifier"}
ORDER = "target_id"

ELSEWHERE = 0
_KINDS = {name: code for code, name, _ in ENTRIES}
# The element is there, but leads to nothing that can be asked for.
_PRESENT: Row = ("", (ELSEWHERE, "", None))

# Type number, id or URL, version.
_Target = tuple[int, str, str | None]


def extract(nodes: Iterable[Node], base: str) -> Iterator[Row]:
    """One row for each reference, one more for its identifier."""
    for node in nodes:
        value = node.value
        if isinstance(value, str):
            yield "", _target(value, base)
        elif isinstance(value, dict):
            text = value.get("reference")
            # What is contained here is found with its container.
            leads_out = isinstance(text, str) and not text.startswith("#")
            yield ("", _target(str(text), base)) if leads_out else _PRESENT
            identifier = value.get("identifier")
            if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
                system = system_id(identifier.get("system"))
                yield ":identifier", (key(identifier["value"]), system)


def _target(text: str, base: str) -> _Target:
    found = references.parse(text, base=base)
    if found.id is not None and found.base is None:
        kind = _KINDS.get(found.type or "", ELSEWHERE)
        return kind, found.id if kind else f"{found.type}/{found.id}", found.version
    if found.id is not None:
        return ELSEWHERE, key(f"{found.base}/{found.type}/{found.id}"), found.version
    url, _, version = text.partition("|")
    return ELSEWHERE, key(url), version or None


def read(texts: Sequence[str], modifier: str, asked: Asked) -> Expression:
    """Any of the targets, or of the identifiers."""
    values = list(dict.fromkeys(texts))
    if modifier == "identifier":
        return asked.param(tokens.tests(map(_identifier, values)), ":identifier")
    return asked.param(_tests(_asked(unescape(value), modifier, asked) for value in values))


def _identifier(text: str) -> tuple[int | None, str | None]:
    try:
        system, code = tokens.read(text)
    except ValueError as error:
        raise Refused(str(error)) from None
    return system, code if code is None else key(code)


def _asked(text: str, type_name: str, asked: Asked) -> list[_Target | str]:
    """The targets that a text may mean; a plain ``str`` is an id of any served type."""
    if is_id(text):
        if type_name:
            return [_target(f"{type_name}/{text}", asked.base)]
        absent = [t for t in asked.parameter.targets if t not in _KINDS]
        return [text, *(_target(f"{t}/{text}", asked.base) for t in absent)]
    found = references.parse(text, base=asked.base)
    if type_name and found.type != type_name:
        raise Refused(f"does not lead to {type_name}")
    if not found.raw or found.fragment is not None or found.query is not None:
        raise Refused("is not a reference that can be searched for")
    return [_target(text, asked.base)]


def _tests(alternatives: Iterable[list[_Target | str]]) -> tuple[Test, ...]:
    ids: list[str] = []
    current: list[tuple[int, str]] = []
    found: list[Test] = []
    for target in (target for targets in alternatives for target in targets):
        if isinstance(target, str):
            ids.append(target)
        elif target[2] is None:
            current.append(target[:2])
        else:
            found.append(Test("version", target))
    if ids:
        found.append(Test("id", (ids[0] if len(ids) == 1 else tuple(ids),)))
    if len(current) == 1:
        found.append(Test("target", current[0]))
    elif current:
        urls = tuple(dict.fromkeys(id for _, id in current))
        found.append(Test("targets", (urls, tuple(f"{kind}|{id}" for kind, id in current))))
    return tuple(found)


def predicate(rows: Columns, test: Test) -> ColumnElement[bool]:
    """Whether a row of the reference index, or of its identifiers, passes."""
    match test.form, test.values:
        case "target", (kind, id):
            return and_(equals(rows.target_id, id), equals(rows.target_kind, kind))
        case "version", (kind, id, version):
            return and_(
                equals(rows.target_id, id),
                equals(rows.target_kind, kind),
                equals(rows.version, version),
            )
        case "targets", (ids, pairs):
            joined = cast(rows.target_kind, String) + literal_column("'|'") + rows.target_id
            return and_(one_of(rows.target_id, ids), one_of(joined, pairs))
        case "id", (id,):
            return one_of(rows.target_id, id)
    return tokens.predicate(rows, test)
