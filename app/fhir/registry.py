"""The resource types that are served, and what each offers.

Adding a type is one line of ``ENTRIES``: its search parameters and compartments come from the
official definitions. Codes are stored in the database, so they are never reused or renumbered.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Literal, TypeAlias

from app.fhir import definitions

Store: TypeAlias = Literal["resource", "audit", "shared"]


class Interaction(StrEnum):
    """``restful-interaction`` codes, https://hl7.org/fhir/R4/http.html."""

    READ = "read"
    VREAD = "vread"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    HISTORY_INSTANCE = "history-instance"
    HISTORY_TYPE = "history-type"
    CREATE = "create"
    SEARCH_TYPE = "search-type"
    TRANSACTION = "transaction"
    BATCH = "batch"
    SEARCH_SYSTEM = "search-system"
    HISTORY_SYSTEM = "history-system"


SYSTEM_INTERACTIONS = frozenset(
    (
        Interaction.TRANSACTION,
        Interaction.BATCH,
        Interaction.SEARCH_SYSTEM,
        Interaction.HISTORY_SYSTEM,
    )
)
INTERACTIONS: Mapping[Store, frozenset[Interaction]] = {
    "resource": frozenset(Interaction) - SYSTEM_INTERACTIONS,
    # The log is written by what happens, never by a client, and a record has one version.
    "audit": frozenset((Interaction.READ, Interaction.SEARCH_TYPE)),
    # Official definitions, the same for every tenant.
    "shared": frozenset((Interaction.READ, Interaction.VREAD, Interaction.SEARCH_TYPE)),
}


@dataclass(frozen=True, slots=True)
class Component:
    """Part of a composite parameter; ``expression`` starts at the composite's element."""

    code: str
    expression: str
    type: str


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A search parameter as it applies to one type.

    ``type`` is one of string token reference date number quantity uri composite special;
    ``expression`` is FHIRPath, only the alternatives of the official union that start at this
    type; ``targets`` are the types a reference may lead to (none: any).
    """

    code: str
    type: str
    expression: str
    targets: tuple[str, ...]
    components: tuple[Component, ...]
    url: str


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A served type.

    ``compartments`` maps an owner type to the reference parameters whose target is an owner of
    the resource. An owner is also in its own compartment, which no parameter says.
    """

    name: str
    code: int
    store: Store
    interactions: frozenset[Interaction]
    search: Mapping[str, SearchParameter]
    compartments: Mapping[str, tuple[str, ...]]


ENTRIES: tuple[tuple[int, str, Store], ...] = (
    (1, "Patient", "resource"),
    (2, "RelatedPerson", "resource"),
    (3, "Practitioner", "resource"),
    (4, "PractitionerRole", "resource"),
    (5, "Organization", "resource"),
    (6, "CareTeam", "resource"),
    (7, "Group", "resource"),
    (8, "EpisodeOfCare", "resource"),
    (9, "Encounter", "resource"),
    (10, "Condition", "resource"),
    (11, "ServiceRequest", "resource"),
    (12, "Questionnaire", "resource"),
    (13, "QuestionnaireResponse", "resource"),
    (14, "Observation", "resource"),
    (15, "Goal", "resource"),
    (16, "CarePlan", "resource"),
    (17, "Task", "resource"),
    (18, "Flag", "resource"),
    (19, "DetectedIssue", "resource"),
    (20, "Communication", "resource"),
    (21, "Consent", "resource"),
    (22, "Provenance", "resource"),
    (23, "DocumentReference", "resource"),
    (24, "AuditEvent", "audit"),
    (25, "Subscription", "resource"),
    (26, "ValueSet", "resource"),
    (27, "CodeSystem", "resource"),
    (28, "Library", "resource"),
    (29, "StructureDefinition", "shared"),
    (30, "SearchParameter", "shared"),
    (31, "OperationDefinition", "shared"),
    (32, "CapabilityStatement", "shared"),
)
STORED = tuple(name for _, name, _ in ENTRIES)

# Carried over the wire and checked, never stored.
WIRE_TYPES = ("Parameters", "Bundle", "OperationOutcome")


class _Registry(Mapping[str, ResourceType]):
    """The served types by name, each built when first asked for."""

    def __getitem__(self, name: str) -> ResourceType:
        return _resource_type(name)

    def __contains__(self, name: object) -> bool:
        return name in _ROWS

    def __iter__(self) -> Iterator[str]:
        return iter(_ROWS)

    def __len__(self) -> int:
        return len(_ROWS)


_ROWS = {name: (code, store) for code, name, store in ENTRIES}
_NAMES = {code: name for code, name, _ in ENTRIES}

REGISTRY: Mapping[str, ResourceType] = _Registry()


def by_code(code: int) -> ResourceType:
    """The served type with this stored code; ``KeyError`` where there is none."""
    return REGISTRY[_NAMES[code]]


def param_id(type_name: str, code: str) -> int:
    """What names a parameter in the index: the signed CRC-32 of ``Type.code``."""
    crc = zlib.crc32(f"{type_name}.{code}".encode())
    return crc - 0x1_0000_0000 if crc & 0x8000_0000 else crc


@cache
def _resource_type(name: str) -> ResourceType:
    code, store = _ROWS[name]
    rows = {
        **definitions.search_parameters("Resource"),
        **definitions.search_parameters(name),
        **definitions.own_search_parameters().get(name, {}),
    }
    return ResourceType(
        name=name,
        code=code,
        store=store,
        interactions=INTERACTIONS[store],
        search={
            parameter: SearchParameter(
                code=parameter,
                type=type_,
                expression=expression,
                targets=tuple(targets),
                components=tuple(Component(*component) for component in components),
                url=url,
            )
            for parameter, (type_, expression, targets, components, url) in rows.items()
        },
        compartments={
            owner: members[name]
            for owner, members in definitions.compartments().items()
            if name in members
        },
    )
