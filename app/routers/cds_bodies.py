"""What a CDS Client sends, checked at the edge: every problem at once, and no value in its words.

https://cds-hooks.hl7.org/2.0/#calling-a-cds-service and #feedback. Members that are not named
here are let through and not looked at, as the specification wants of extensions.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic import model_validator as whole
from pydantic.alias_generators import to_camel

from app.core.errors import AppError, Category, Issue
from app.fhir import json

_UUID = r"^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_USER = r"^(?:Practitioner|PractitionerRole|Patient|RelatedPerson)/[A-Za-z0-9\-.]{1,64}$"
_MOST_FEEDBACK = 100

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]
Uuid = Annotated[str, StringConstraints(pattern=_UUID)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://\S{1,2000}$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Body = TypeVar("Body", bound=BaseModel)


class _Read(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, alias_generator=to_camel)


class Context(_Read):
    """Where the user is: https://cds-hooks.hl7.org/hooks/patient-view/."""

    user_id: Annotated[str, StringConstraints(pattern=_USER)]
    patient_id: Id
    encounter_id: Id | None = None


class FhirAuthorization(BaseModel):
    """Access to the client's own server. It is never used."""

    model_config = ConfigDict(strict=True, frozen=True)

    access_token: Words
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str
    subject: Words


class HookCall(_Read):
    """A call of a service."""

    hook: Words
    hook_instance: Uuid
    context: Context
    fhir_server: Url | None = None
    fhir_authorization: FhirAuthorization | None = None
    prefetch: dict[str, dict[str, Any] | None] | None = None

    @whole(mode="after")
    def _names_its_server(self) -> Self:
        if self.fhir_authorization is not None and self.fhir_server is None:
            raise ValueError("fhirServer is needed with fhirAuthorization")
        return self


class AcceptedSuggestion(_Read):
    """A suggestion of a card that was taken up."""

    id: Uuid


class Coding(_Read):
    """A reason's code."""

    code: Words
    system: Words | None = None


class OverrideReason(_Read):
    """Why a card was set aside. The comment is read by nobody and not kept."""

    reason: Coding | None = None
    user_comment: str | None = None


class CardFeedback(_Read):
    """What became of one card."""

    card: Uuid
    outcome: Literal["accepted", "overridden"]
    accepted_suggestions: Annotated[list[AcceptedSuggestion], Field(min_length=1)] | None = None
    override_reason: OverrideReason | None = None
    outcome_timestamp: Words

    @whole(mode="after")
    def _says_what_was_accepted(self) -> Self:
        if self.outcome == "accepted" and not self.accepted_suggestions:
            raise ValueError("acceptedSuggestions is needed with accepted")
        return self


class Feedback(_Read):
    """What became of cards."""

    feedback: Annotated[list[CardFeedback], Field(min_length=1, max_length=_MOST_FEEDBACK)]


def read(octets: bytes, model: type[Body]) -> Body:
    """The body, or ``invalid`` with every problem and its place."""
    tree = json.parse_resource(octets)
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        found = {_place(each["loc"]): each["type"] for each in error.errors(include_input=False)}
        raise AppError(
            Category.INVALID,
            [_issue(place, kind) for place, kind in sorted(found.items())],
        ) from None


def _issue(place: str, kind: str) -> Issue:
    if kind == "missing":
        return Issue("required", "is needed", place)
    if kind == "value_error":
        return Issue("required", "names one thing and leaves out what it needs", place)
    return Issue("value", "is not as the specification has it", place)


def _place(loc: tuple[int | str, ...]) -> str:
    """Where in the body, by members of ours only: a key of the client's is not repeated."""
    place = ""
    for each in loc if loc[:1] != ("prefetch",) else loc[:1]:
        place += f"[{each}]" if isinstance(each, int) else f".{each}"
    return place.removeprefix(".")
