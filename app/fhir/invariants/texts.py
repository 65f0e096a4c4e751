"""Rules that R4 states in the text of its definitions, and publishes no invariant for.

Each stands on the element at its path. Only what a resource can be judged for by itself is here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.fhir.invariants.rule import Rule, each
from app.fhir.json import Tree
from app.fhir.primitives import is_absolute
from app.fhir.references import parse

_URI_SYSTEM = "urn:ietf:rfc:3986"
_UNIQUE = ("urn:oid:", "urn:uuid:")
_STATUS = re.compile("[1-5][0-9]{2}(?: .*)?").fullmatch
_SCHEMES: Mapping[str, tuple[str, ...]] = {
    "rest-hook": ("http://", "https://"),
    "websocket": ("http://", "https://"),
    "email": ("mailto:",),
    "sms": ("tel:",),
}
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "person": ("Patient", "Group"),
    "animal": ("Patient", "Group"),
    "practitioner": ("Practitioner", "PractitionerRole", "Group"),
    "device": ("Device", "Group"),
    "medication": ("Medication", "Group"),
    "substance": ("Substance", "Group"),
}
# The value[x] of an option or initial value; the types left out take any.
_VALUES: Mapping[str, str] = {
    "boolean": "valueBoolean",
    "decimal": "valueDecimal",
    "integer": "valueInteger",
    "date": "valueDate",
    "dateTime": "valueDateTime",
    "time": "valueTime",
    "string": "valueString",
    "text": "valueString",
    "url": "valueUri",
    "attachment": "valueAttachment",
    "reference": "valueReference",
    "quantity": "valueQuantity",
}


def _absolute(name: str) -> Rule:
    return lambda node: name not in node or is_absolute(node[name])


def _agreeing_url(entry: Tree) -> bool:
    resource = entry.get("resource", {})
    link = parse(entry.get("fullUrl", ""))
    if link.id is None or "id" not in resource:
        return True
    return (link.type, link.id) == (resource.get("resourceType"), resource["id"])


def _fitting(name: str) -> Rule:
    def rule(item: Tree) -> bool:
        wanted = _VALUES.get(item.get("type", ""))
        return wanted is None or all(wanted in _bare(value) for value in each(item, name))

    return rule


def _bare(node: Tree) -> set[str]:
    names = {key.lstrip("_") for key in node}
    return names if any(name.startswith("value") for name in names) else set(_VALUES.values())


def _scheme(channel: Tree) -> bool:
    schemes = _SCHEMES.get(channel.get("type", ""))
    return schemes is None or str(channel.get("endpoint", schemes[0])).startswith(schemes)


def _members(group: Tree) -> bool:
    allowed = _MEMBERS.get(group.get("type", ""), ())
    types = (parse(text).type for text in each(group, "member", "entity", "reference"))
    return all(type_ is None or type_ in allowed for type_ in types)


def _uri_identifier(identifier: Tree) -> bool:
    value = identifier.get("value", "")
    return not str(value).startswith(_UNIQUE) or identifier.get("system") == _URI_SYSTEM


def _concepts(node: Tree) -> Iterator[Any]:
    for concept in node.get("concept", ()):
        yield concept
        yield from _concepts(concept)


_DEFINED = ("the url must be absolute", _absolute("url"))
_SYSTEM = ("the system must be absolute", _absolute("system"))

RULES: Mapping[str, tuple[tuple[str, Rule], ...]] = {
    **dict.fromkeys(
        (
            *("CapabilityStatement", "Library", "OperationDefinition", "Questionnaire"),
            *("SearchParameter", "StructureDefinition", "ValueSet"),
        ),
        (_DEFINED,),
    ),
    "CodeSystem": (
        _DEFINED,
        (
            "there must not be more concepts than count says",
            lambda node: "count" not in node or sum(1 for _ in _concepts(node)) <= node["count"],
        ),
    ),
    "ValueSet.compose.include": (_SYSTEM,),
    "ValueSet.expansion.contains": (_SYSTEM,),
    "Bundle.entry": (
        ("the fullUrl must be absolute", _absolute("fullUrl")),
        ("the fullUrl must agree with type and id of the resource", _agreeing_url),
    ),
    "Bundle.entry.response": (
        (
            "the status must begin with a status code of HTTP",
            lambda node: _STATUS(node.get("status", "200")) is not None,
        ),
    ),
    "Group": (("members must be of the type of the group", _members),),
    "Identifier": (("an OID or UUID as a value needs the system " + _URI_SYSTEM, _uri_identifier),),
    "Questionnaire.item": (
        ("options must have the type of the item", _fitting("answerOption")),
        ("initial values must have the type of the item", _fitting("initial")),
    ),
    "Subscription.channel": (("the endpoint must suit the type of the channel", _scheme),),
}
