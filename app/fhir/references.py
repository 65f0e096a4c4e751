"""References: reading them, finding them in a resource, and rewriting them.

https://hl7.org/fhir/R4/references.html and, for rewriting,
https://hl7.org/fhir/R4/http.html#trules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape, unescape
from typing import Any

from app.fhir.json import JSON, Tree


@dataclass(frozen=True, slots=True)
class Reference:
    """What a ``Reference.reference`` names.

    ``Patient/1``, ``Patient/1/_history/2`` and absolute URLs give ``type``, ``id`` and
    ``version``; ``base`` is the foreign server of an absolute URL, ``None`` for this one.
    ``#x`` gives ``fragment`` (``""`` for ``#``, the container itself). ``Patient?identifier=…``
    gives ``type`` and ``query``. URNs and other URIs give ``raw`` only.
    """

    raw: str
    type: str | None = None
    id: str | None = None
    version: str | None = None
    base: str | None = None
    fragment: str | None = None
    query: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether it names a resource of this server."""
        return self.id is not None and self.base is None

    @property
    def is_urn(self) -> bool:
        """Whether it is a ``urn:uuid:`` or ``urn:oid:``, which only a Bundle can resolve."""
        return self.raw.startswith(("urn:uuid:", "urn:oid:"))

    @property
    def key(self) -> str | None:
        """``Type/id`` of a local reference."""
        return f"{self.type}/{self.id}" if self.is_local else None


_RESTFUL = re.compile(
    r"(?:(?P<base>https?://[^\s?#]+?)/)?"
    r"(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})"
    r"(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?"
    r"(?:\#(?P<fragment>[^\s#]*))?"
)
_SEARCH = re.compile(rb'"reference":"[^"?]*\?')
_CONDITIONAL = re.compile(r"(?P<type>[A-Z][A-Za-z]+)\?(?P<query>\S+)")


def parse(text: str, *, base: str | None = None) -> Reference:
    """Read a reference; ``base`` is this server's own base URL, without a trailing slash."""
    if text.startswith("#"):
        return Reference(text, fragment=text[1:])
    if match := _RESTFUL.fullmatch(text):
        parts: dict[str, Any] = match.groupdict()
        if parts["base"] == base:
            parts["base"] = None
        return Reference(text, **parts)
    if match := _CONDITIONAL.fullmatch(text):
        return Reference(text, **match.groupdict())
    return Reference(text)


def local(reference: object, base: str) -> str | None:
    """``Type/id`` of what a Reference element names on this server, however it is written."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    return parse(text, base=base).key if isinstance(text, str) else None


@dataclass(frozen=True, slots=True)
class Place:
    """A reference or URI in a tree: its FHIRPath, its text, and whether it is a Reference's."""

    expression: str
    value: str
    is_reference: bool


def places(tree: Tree) -> Iterator[Place]:
    """Every ``Reference.reference`` and every uri-typed string, in document order."""
    yield from _places(tree, str(tree.get("resourceType", "Resource")))


def references(tree: Tree) -> Iterator[Place]:
    """Every ``Reference.reference``, in document order."""
    return (place for place in places(tree) if place.is_reference)


def may_search(text: bytes) -> bool:
    """Whether a ``Reference.reference`` in a compact JSON text may be a search."""
    return _SEARCH.search(text) is not None


def _places(node: dict[str, JSON], path: str) -> Iterator[Place]:
    is_reference = _is_reference(node)
    for key, value in node.items():
        where = f"{path}.{key}"
        if isinstance(value, str):
            if key == "reference" and is_reference:
                yield Place(where, value, is_reference=True)
            elif _is_uri(key):
                yield Place(where, value, is_reference=False)
        elif isinstance(value, dict):
            yield from _places(value, where)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _places(item, f"{where}[{index}]")
                elif isinstance(item, str) and _is_uri(key):
                    yield Place(f"{where}[{index}]", item, is_reference=False)


def rewrite(tree: Tree, mapping: Mapping[str, str]) -> Tree:
    """The tree with each mapped link replaced; the same object when there is none.

    Replaced are whole values of ``Reference.reference``, of elements typed uri, url, oid, uuid
    or canonical, and of ``href`` and ``src`` in narratives. Other strings that look alike
    (an ``Identifier.value``) stay.
    """
    if not mapping:
        return tree
    changed: Tree = _rewrite(tree, mapping)
    return changed


def _rewrite(node: dict[str, JSON], mapping: Mapping[str, str]) -> dict[str, JSON]:
    changes: dict[str, JSON] = {}
    is_reference = _is_reference(node)
    for key, value in node.items():
        new = value
        if isinstance(value, dict):
            new = _rewrite(value, mapping)
        elif isinstance(value, list):
            new = _rewrite_list(value, mapping, is_uri=_is_uri(key))
        elif isinstance(value, str):
            if key == "div":
                new = _rewrite_narrative(value, mapping)
            elif (key == "reference" and is_reference) or _is_uri(key):
                new = mapping.get(value, value)
        if new is not value:
            changes[key] = new
    return node | changes if changes else node


def _rewrite_list(items: list[JSON], mapping: Mapping[str, str], *, is_uri: bool) -> list[JSON]:
    new = [
        _rewrite(item, mapping)
        if isinstance(item, dict)
        else mapping.get(item, item)
        if is_uri and isinstance(item, str)
        else item
        for item in items
    ]
    return new if any(a is not b for a, b in zip(new, items, strict=True)) else items


_LINK = re.compile(r"""(\s(?:href|src)\s*=\s*)("[^"<]*"|'[^'<]*')""")


def _rewrite_narrative(div: str, mapping: Mapping[str, str]) -> str:
    def link(match: re.Match[str]) -> str:
        new = mapping.get(unescape(match[2][1:-1]))
        return match[0] if new is None else f'{match[1]}"{escape(new)}"'

    new = _LINK.sub(link, div)
    return div if new == div else new


# DetectedIssue.reference and Expression.reference are URIs, not References.
def _is_reference(node: dict[str, JSON]) -> bool:
    return "resourceType" not in node and "expression" not in node and "language" not in node


def _is_uri(key: str) -> bool:
    return key in _URI_NAMES or key.endswith(("Uri", "Url", "Canonical", "Oid", "Uuid"))


# Elements of R4 whose JSON strings are uri, url, canonical, oid or uuid wherever the name
# occurs in the types that this server stores (a Reference of the same name is an object).
_URI_NAMES = frozenset(
    [
        "answerValueSet",
        "authority",
        "baseDefinition",
        "compartment",
        "contentReference",
        "derivedFrom",
        "endpoint",
        "implementationGuide",
        "implicitRules",
        "imports",
        "inputProfile",
        "instantiates",
        "outputProfile",
        "policy",
        "profile",
        "questionnaire",
        "reference",
        "replaces",
        "resource",
        "source",
        "supplements",
        "supportedProfile",
        "system",
        "targetProfile",
        "uri",
        "url",
        "valueSet",
    ]
)
