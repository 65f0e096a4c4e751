"""Server ``id`` and ``meta`` in the client's own text, every other byte as it was given.

https://hl7.org/fhir/R4/resource.html#Meta. A model that is parsed and written again loses
``1.50``, escapes, order and white space; so the stored text is the client's, and only the
two members that the server owns are set, by position.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from app.fhir.json import MAX_DEPTH, Tree, dumps, same

_SERVER_META = ("versionId", "_versionId", "lastUpdated", "_lastUpdated")


def stamp(
    tree: Tree,
    *,
    id: str,
    version_id: str,
    last_updated: str,
    security: list[Any] | None = None,
    source: str | None = None,
) -> Tree:
    """The tree with the server's ``id`` and ``meta``; the client's other meta stays.

    ``security`` and ``source`` replace the client's when given. ``last_updated`` is a FHIR
    instant. The tree that ``splice`` writes, member order aside.
    """
    given = tree.get("meta")
    meta: Tree = {"versionId": version_id, "lastUpdated": last_updated}
    if isinstance(given, dict):
        meta |= {key: value for key, value in given.items() if key not in _SERVER_META}
    if source is not None:
        meta["source"] = source
    if security is not None:
        meta["security"] = security
    return tree | {"id": id, "meta": meta}


def splice(
    text: bytes,
    tree: Tree,
    *,
    id: str,
    version_id: str,
    last_updated: str,
    security: list[Any] | None = None,
    source: str | None = None,
) -> bytes:
    """``text`` with top-level ``id`` and ``meta`` replaced or inserted; see ``stamp``.

    ``text`` is the JSON object that ``tree`` was parsed from (so valid, without duplicate
    keys). Reads no further than the second of the two members.
    """
    stamped = stamp(
        tree,
        id=id,
        version_id=version_id,
        last_updated=last_updated,
        security=security,
        source=source,
    )
    wanted = {b"id": orjson.dumps(id), b"meta": dumps(stamped["meta"])}
    present = sum(key in tree for key in ("id", "meta"))
    parts: list[bytes] = []
    end = 0
    if present < len(wanted):
        # Absent members go where readers look for them: after a leading resourceType.
        head = _HEAD.match(text)
        opening = head or _OPENING.match(text)
        end = opening.end() if opening else 0
        new = [b'"%b":%b' % (key, wanted[key]) for key in wanted if key.decode() not in tree]
        comma_before, comma_after = (b",", b"") if head else (b"", b"," if tree else b"")
        parts += [text[:end], comma_before, b",".join(new), comma_after]
    for key, start, stop in _members(text) if present else ():
        if key in wanted:
            parts += [text[end:start], wanted[key]]
            end = stop
            present -= 1
            if not present:
                break
    parts.append(text[end:])
    return b"".join(parts)


def same_content(left: Tree, right: Tree) -> bool:
    """Equal but for ``id``, ``meta.versionId`` and ``meta.lastUpdated``: a no-op update."""
    return same(_content(left), _content(right))


def holds(text: bytes, bare: Tree) -> bool:
    """Whether ``splice`` made this text of a tree without meta, whose first member is its type.

    Told from the bytes alone; where they differ the content may still be the same.
    """
    made = dumps(bare)
    head = _HEAD.match(made)
    if head is None or not text.startswith(head[0] + b',"meta":{'):
        return False
    rest = made[head.end() :]
    meta = text[head.end() + 1 : len(text) - len(rest)]
    return text.endswith(rest) and _is_member(meta)


def _is_member(text: bytes) -> bool:
    try:
        return len(orjson.loads(b"{%b}" % text)) == 1
    except orjson.JSONDecodeError:
        return False


def _content(tree: Tree) -> Tree:
    bare = {key: value for key, value in tree.items() if key != "id"}
    meta = bare.pop("meta", None)
    if isinstance(meta, dict):
        kept = {key: value for key, value in meta.items() if key not in _SERVER_META}
        if kept:
            bare["meta"] = kept
    return bare


_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_FLAT = rb'[^"\[\]{}]++|' + _STRING


def _nested() -> bytes:
    # The parser bounds depth, so one possessive expression can walk any value, linearly.
    value = rb"[\[{](?:" + _FLAT + rb")*+[\]}]"
    for _ in range(MAX_DEPTH - 2):
        value = rb"[\[{](?:" + _FLAT + rb"|" + value + rb")*+[\]}]"
    return value


_HEAD = re.compile(rb'\s*\{\s*"resourceType"\s*:\s*"[^"\\]*"')
_OPENING = re.compile(rb"\s*\{")
_MEMBER = re.compile(
    rb"\s*,?\s*(" + _STRING + rb")\s*:\s*(" + _STRING + rb'|[^\s",\[\]{}]++|' + _nested() + rb")",
    re.DOTALL,
)


def _members(text: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each top-level member's key, decoded, and where its value starts and stops."""
    opening = _OPENING.match(text)
    member = _MEMBER.match(text, opening.end()) if opening else None
    while member:
        key = member[1]
        yield (
            orjson.loads(key).encode() if b"\\" in key else key[1:-1],
            member.start(2),
            member.end(2),
        )
        member = _MEMBER.match(text, member.end())
