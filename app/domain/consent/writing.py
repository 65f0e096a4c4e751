"""What a person decides in plain words, written as a Consent of IHE PCF.

https://profiles.ihe.net/ITI/PCF/. The words that they agreed to are its source, as they read them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from app.fhir.json import Tree

_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
_PROFILE: Final = "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consent"
POLICY: Final = "https://rapport.example.org/policy/own-record"


class Kind(StrEnum):
    """What can be decided."""

    SHARE = "share"  # somebody may see the record
    STOP = "stop"  # somebody, or nobody but the person, may see it
    COUPLE = "couple"  # both partners may see what is about both


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision: about whom (a reference; None for everybody) and how much.

    ``full`` opens what is restricted too, ``emergency`` makes an exception of declared
    emergencies, ``until`` is the last day (a FHIR date).
    """

    kind: Kind
    actor: str | None = None
    full: bool = False
    emergency: bool = False
    until: str | None = None


def written(
    choice: Choice, *, patient: str, organization: str | None, at: str, words: str, language: str
) -> Tree:
    """The Consent of a patient (an id); ``words`` is what they agreed to, ``at`` when."""
    level = "Advanced" if choice.kind is Kind.SHARE else "Intermediate"
    person = {"reference": f"Patient/{patient}"}
    return {
        "resourceType": "Consent",
        "meta": {"profile": [_PROFILE + level]},
        "language": language,
        "status": "active",
        "scope": {"coding": [_coding("consentscope", "patient-privacy")]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": person,
        "dateTime": at,
        "performer": [person],
        **({"organization": [{"reference": organization}]} if organization else {}),
        "sourceAttachment": {
            "contentType": "text/plain; charset=utf-8",
            "language": language,
            "data": base64.b64encode(words.encode()).decode(),
            "creation": at,
        },
        "policy": [{"uri": POLICY}],
        "provision": _provision(choice),
    }


def _provision(choice: Choice) -> Tree:
    stated: dict[str, Any] = {"type": "deny" if choice.kind is Kind.STOP else "permit"}
    if choice.until:
        stated["period"] = {"end": choice.until}
    if choice.actor:
        stated["actor"] = [
            {
                "role": {"coding": [_coding("v3-ParticipationType", "IRCP")]},
                "reference": {"reference": choice.actor},
            }
        ]
    if choice.kind is Kind.SHARE:
        stated["purpose"] = [_coding("v3-ActReason", "TREAT")]
        codes = ("N", "R") if choice.full else ("N",)
        stated["securityLabel"] = [_coding("v3-Confidentiality", code) for code in codes]
    if choice.kind is Kind.STOP and choice.emergency:
        emergency = {"type": "permit", "purpose": [_coding("v3-ActReason", "BTG")]}
        stated["provision"] = [emergency]
    return stated


def _coding(system: str, code: str) -> Tree:
    return {"system": f"{_TERMINOLOGY}/{system}", "code": code}
