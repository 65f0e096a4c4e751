"""What a caller asks for and what comes back, in FHIR's words and without HTTP.

A Bundle entry is a ``Call`` like any other, so it runs through the same functions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from app.core.errors import Issue
from app.fhir.json import Tree
from app.fhir.registry import Interaction
from app.repositories.resources import StoredVersion
from app.services.audit import RequestFacts

Pairs = tuple[tuple[str, str], ...]


class PatchFormat(StrEnum):
    """The three ways to say a change."""

    JSON_PATCH = "json-patch"
    FHIRPATH_PATCH = "fhirpath-patch"
    MERGE_PATCH = "merge-patch"


@dataclass(frozen=True, slots=True)
class Call:
    """One interaction asked for.

    ``query`` holds the decoded query pairs: search parameters, or the criteria of a
    conditional update, patch or delete. ``if_match`` is a version number. ``if_none_match``
    is ``*`` or a version number as text. ``condition`` is the query of ``If-None-Exist``.
    """

    interaction: Interaction
    facts: RequestFacts
    type: str | None = None
    id: str | None = None
    version: int | None = None
    operation: str | None = None
    query: Pairs = ()
    body: bytes = b""
    tree: Tree | None = None
    patch_format: PatchFormat | None = None
    condition: Pairs | None = None
    if_match: int | None = None
    if_none_match: str | None = None
    if_modified_since: int | None = None
    strict: bool = False
    minimal: bool = False
    compartment: tuple[str, str] | None = None

    @property
    def event(self) -> str:
        """What the audit log calls it."""
        return "operation" if self.operation else str(self.interaction)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an interaction did.

    ``stored`` is the version read or written, ``document`` a body that is not one stored
    version (a Bundle, Parameters, OperationOutcome) as JSON bytes.
    """

    result: Literal["ok", "created", "deleted", "not-modified", "accepted"]
    stored: StoredVersion | None = None
    document: bytes | None = None
    issues: tuple[Issue, ...] = field(default=())
    changed: bool = True
