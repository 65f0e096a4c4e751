"""What this server does, as a CapabilityStatement read off the registry.

https://hl7.org/fhir/R4/capabilitystatement.html. Nothing is listed here that a caller of
``capability_statement`` or the registry does not say is on. What a server says of itself is at
``/metadata``; what the software says of every server that runs it is a resource among others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from app.fhir import definitions
from app.fhir.backport import GUIDE
from app.fhir.json import Tree
from app.fhir.registry import (
    REGISTRY,
    SYSTEM_INTERACTIONS,
    Interaction,
    ResourceType,
    SearchParameter,
)

DEFINITIONS = "http://hl7.org/fhir"
TOPIC = f"{GUIDE}/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
SOCKET = f"{DEFINITIONS}/StructureDefinition/capabilitystatement-websocket"
FORMATS = ("application/fhir+json", "json")
PATCH_FORMATS = (
    "application/json-patch+json",
    "application/fhir+json",
    "application/merge-patch+json",
)
SOFTWARE = "https://rapport.example.org/CapabilityStatement/software"
# When what is stated here last changed; a date that moved by itself would say nothing.
DATE = "2026-11-26"


@dataclass(frozen=True, slots=True)
class Offered:
    """An operation: its name without ``$``, the canonical of its definition, and where.

    ``types`` are the types it is offered on (empty: all of them), ``instance_types`` those whose
    resources have it where they are others; ``definitions`` those of single types; ``get`` tells
    whether GET may call it.
    """

    name: str
    definition: str
    types: tuple[str, ...] = ()
    type_level: bool = True
    instance_level: bool = True
    get: bool = False
    instance_types: tuple[str, ...] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)

    def on(self, type_name: str, *, instance: bool) -> bool:
        """Whether a type, or each of its resources, has it."""
        types = (self.instance_types if instance else ()) or self.types
        level = self.instance_level if instance else self.type_level
        return level and (not types or type_name in types)


@dataclass(frozen=True, slots=True)
class Authorization:
    """The absolute URLs of the SMART authorization server."""

    authorize: str
    token: str
    introspect: str | None = None
    revoke: str | None = None


def capability_statement(
    *,
    base: str | None,
    operations: Iterable[Offered] = (),
    authorization: Authorization | None = None,
    system: Collection[Interaction] = SYSTEM_INTERACTIONS,
    without: Mapping[str, Collection[Interaction]] | None = None,
    topics: Iterable[str] = (),
    socket: str | None = None,
    version: str | None = None,
) -> Tree:
    """The statement of the server at ``base``; the software's own where there is none.

    ``system`` are the whole-system interactions that are on; ``without`` names interactions of a
    type that the registry allows and this server refuses; ``topics`` are the canonicals of what
    Subscriptions may be about, ``socket`` is the address of their sockets, ``version`` the
    software's.
    """
    offered = tuple(operations)
    software: Tree = {"name": "Rapport"}
    if version is not None:
        software["version"] = version
    resources = {
        name: _resource(entry, offered, without=(without or {}).get(name, ()))
        for name, entry in REGISTRY.items()
    }
    # R4 has no SubscriptionTopic to search for.
    if told := [{"url": TOPIC, "valueCanonical": topic} for topic in topics]:
        resources["Subscription"] = {"extension": told} | resources["Subscription"]
    rest: Tree = {
        "extension": [{"url": SOCKET, "valueUri": socket}] if socket is not None else [],
        "mode": "server",
        "security": _security(authorization),
        "resource": list(resources.values()),
        "interaction": [{"code": str(code)} for code in Interaction if code in system],
        "compartment": [
            f"{DEFINITIONS}/CompartmentDefinition/{owner[0].lower()}{owner[1:]}"
            for owner in sorted(definitions.compartments())
            if owner in REGISTRY
        ],
    }
    implements = ["http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"]
    about: Tree = {"description": "Rapport", "url": base}
    return {
        "resourceType": "CapabilityStatement",
        "id": "software" if base is None else "rapport",
        "url": SOFTWARE if base is None else f"{base}/metadata",
        "name": "Rapport",
        "title": "Rapport, a FHIR server for the therapeutic alliance",
        "status": "active",
        "date": DATE,
        "kind": "capability" if base is None else "instance",
        "instantiates": implements if base is None else [*implements, SOFTWARE],
        "software": software,
        **({} if base is None else {"implementation": about}),
        "fhirVersion": "4.0.1",
        "format": list(FORMATS),
        "patchFormat": list(PATCH_FORMATS),
        "rest": [{key: value for key, value in rest.items() if value}],
    }


def _security(authorization: Authorization | None) -> Tree:
    security: Tree = {"cors": True}
    if authorization is None:
        return security
    urls = {
        "authorize": authorization.authorize,
        "token": authorization.token,
        "introspect": authorization.introspect,
        "revoke": authorization.revoke,
    }
    # Clients of before SMART's own discovery document look here, and nowhere else.
    security["extension"] = [
        {
            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            "extension": [
                {"url": name, "valueUri": url} for name, url in urls.items() if url is not None
            ],
        }
    ]
    security["service"] = [
        {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                    "code": "SMART-on-FHIR",
                    "display": "SMART-on-FHIR",
                }
            ],
            "text": "SMART App Launch and SMART Backend Services",
        }
    ]
    return security


def _resource(
    entry: ResourceType, operations: tuple[Offered, ...], *, without: Collection[Interaction]
) -> Tree:
    interactions = [code for code in Interaction if code in entry.interactions - set(without)]
    tree: Tree = {
        "type": entry.name,
        "profile": f"{DEFINITIONS}/StructureDefinition/{entry.name}",
        "interaction": [{"code": str(code)} for code in interactions],
        "versioning": "versioned",
        "readHistory": Interaction.VREAD in interactions,
        "updateCreate": Interaction.UPDATE in interactions,
        "conditionalCreate": Interaction.CREATE in interactions,
        "conditionalRead": "full-support",
        "conditionalUpdate": Interaction.UPDATE in interactions,
        "conditionalDelete": "single" if Interaction.DELETE in interactions else "not-supported",
        "referencePolicy": ["literal", "logical"],
        "searchInclude": _includes(entry),
        "searchRevInclude": _reverse_includes(entry.name),
        "searchParam": [_parameter(parameter) for parameter in entry.search.values()],
        "operation": [
            {
                "name": operation.name,
                "definition": operation.definitions.get(entry.name, operation.definition),
            }
            for operation in operations
            if any(operation.on(entry.name, instance=each) for each in (False, True))
        ],
    }
    return {key: value for key, value in tree.items() if value != []}


def _parameter(parameter: SearchParameter) -> Tree:
    return {"name": parameter.code, "definition": parameter.url, "type": parameter.type}


def _includes(entry: ResourceType) -> list[str]:
    return [
        f"{entry.name}:{parameter.code}"
        for parameter in entry.search.values()
        if parameter.type == "reference"
    ]


def _reverse_includes(type_name: str) -> list[str]:
    return [
        f"{entry.name}:{parameter.code}"
        for entry in REGISTRY.values()
        for parameter in entry.search.values()
        if parameter.type == "reference"
        and (not parameter.targets or type_name in parameter.targets)
    ]
