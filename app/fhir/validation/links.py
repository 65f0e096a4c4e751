"""References: their syntax, what they may lead to, and what a resource contains.

https://hl7.org/fhir/R4/references.html. Whether the target of a reference exists is not asked
here; that a fragment leads to something contained is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.fhir import definitions, references
from app.fhir.json import Tree
from app.fhir.primitives import is_id, is_uri

_LOCATION = re.compile(r"urn:.|[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]").match
_TELLING = frozenset(("reference", "identifier", "display", "extension"))


@dataclass(slots=True)
class Whole:
    """A resource together with what it contains.

    ``contained`` tells the type of each contained id, ``fragments`` the ids that something
    points at, ``ids`` the element ids met so far. ``conditional``: references such as
    ``Patient?identifier=x`` are allowed, as in a transaction.
    """

    tree: Tree
    contained: dict[str, str]
    conditional: bool
    fragments: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, tree: Tree, *, conditional: bool) -> Whole:
        """Index what a tree contains, well-formed or not."""
        found = tree.get("contained")
        items = [item for item in found if isinstance(item, dict)] if type(found) is list else []
        contained = {i["id"]: str(i.get("resourceType")) for i in items if is_id(i.get("id"))}
        return cls(tree, contained, conditional)


def reference_problems(
    node: Tree, targets: tuple[str, ...], *, whole: Whole, inside: bool
) -> Iterator[str]:
    """What is wrong with a Reference; ``inside`` tells that it stands in a contained resource."""
    if not {key.lstrip("_") for key in node} & _TELLING:
        yield "a reference needs a reference, an identifier or a display"
    text, kind = node.get("reference"), node.get("type")
    named: str | None = None
    if isinstance(text, str):
        link = references.parse(text)
        if link.fragment and link.type is None:
            whole.fragments.add(link.fragment)
            named = whole.contained.get(link.fragment)
        elif link.fragment == "" and inside:
            named = str(whole.tree.get("resourceType"))
        elif link.base is None or link.type in definitions.resource_types():
            named = link.type
        if problem := _syntax(link, named, conditional=whole.conditional):
            yield problem
            return
    if named is not None and targets and named not in targets:
        yield "must refer to " + " or ".join(targets)
    if isinstance(kind, str):
        yield from _type_problems(kind, named, targets)


def _syntax(link: references.Reference, named: str | None, *, conditional: bool) -> str | None:
    if link.raw.startswith("#"):
        if named is None:
            return "ref-1: nothing contained has this id"
    elif link.query is not None:
        if not conditional or link.type not in definitions.resource_types():
            return "a search may stand for a reference in a transaction only"
    elif link.id is not None and link.base is None:
        if link.type not in definitions.resource_types() or link.fragment is not None:
            return "not a reference to a resource type of R4"
    elif not (is_uri(link.raw) and _LOCATION(link.raw)):
        return "not a relative or absolute reference, a URN, or #id"
    return None


def _type_problems(kind: str, named: str | None, targets: tuple[str, ...]) -> Iterator[str]:
    if kind not in definitions.resource_types():
        yield "its type is not a resource type of R4"
    elif named is not None and kind != named:
        yield "its type is not that of the resource it names"
    elif targets and kind not in targets:
        yield "must refer to " + " or ".join(targets)


def containment_problems(whole: Whole) -> Iterator[tuple[int | None, str, str]]:
    """For each rule broken by a contained resource: its index, the rule's key, and words."""
    seen: set[str] = set()
    for index, item in enumerate(whole.tree.get("contained", ())):
        if not isinstance(item, dict):
            continue
        id_ = item["id"] if is_id(item.get("id")) else None
        if "contained" in item:
            yield index, "dom-2", ""
        if not (id_ in whole.fragments or _refers_to_container(item)):
            yield index, "dom-3", ""
        meta = item.get("meta")
        if isinstance(meta, dict):
            if "versionId" in meta or "lastUpdated" in meta:
                yield index, "dom-4", ""
            if "security" in meta:
                yield index, "dom-5", ""
        if id_ is not None:
            if id_ in seen:
                yield index, "", "another contained resource has this id"
            seen.add(id_)


def _refers_to_container(item: Tree) -> bool:
    return any(place.value == "#" for place in references.places(item))
