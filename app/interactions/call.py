"""What a caller asks for and what comes back, in FHIR's words and without HTTP.

A Bundle entry is a ``Call`` like any other, so it runs through the same functions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from app.core.errors import Issue
from app.fhir.json import Tree
from app.fhir.registry import Interaction
from app.interactions.part import WHOLE, Part
from app.interactions.tags import Tags
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

    ``query`` holds the decoded pairs of a search, a history or an operation, ``condition`` the
    criteria of a conditional write. ``identity`` tells whether the client gave the ``id``, a
    condition found it, or the server made it. ``tree`` is the body where it came parsed, as a
    Bundle entry's does. ``picture`` is the media type of a picture that is asked for by its name,
    where an operation answers with one.
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
    identity: Literal["given", "found", "made"] = "given"
    if_match: Tags | None = None
    if_none_match: Tags | None = None
    if_modified_since: int | None = None
    strict: bool = False
    lenient: bool = False
    respond_async: bool = False
    minimal: bool = False
    part: Part = WHOLE
    picture: str | None = None
    compartment: tuple[str, str] | None = None

    @property
    def event(self) -> str:
        """What the audit log calls it."""
        return "operation" if self.operation else str(self.interaction)


class Shown(Protocol):
    """One version of a resource as an answer shows it; ``updated`` in microseconds."""

    @property
    def kind(self) -> int:
        """The type's number."""
        ...

    @property
    def id(self) -> str:
        """The logical id."""
        ...

    @property
    def version(self) -> int:
        """The version's number."""
        ...

    @property
    def updated(self) -> int:
        """When it was written."""
        ...

    @property
    def text(self) -> bytes:
        """The JSON text."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an interaction did.

    ``stored`` is the version read or written, ``document`` a body that is not one stored
    version (a Bundle, Parameters, OperationOutcome) as JSON bytes, or whatever ``media_type``
    names. ``place`` is an address below the base where to ask on for what was accepted.
    """

    result: Literal["ok", "created", "deleted", "not-modified", "accepted"]
    stored: Shown | None = None
    document: bytes | None = None
    media_type: str | None = None
    place: str | None = None
    issues: tuple[Issue, ...] = field(default=())
