"""Consents for tests, in the form of IHE PCF."""

from __future__ import annotations

from typing import Any

SENSITIVITY = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
CARE = ("TREAT", "HPAYMT", "HOPERAT")

Provision = dict[str, Any]


def actor(reference: str) -> dict[str, Any]:
    """Who a provision is about."""
    participation = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
    return {
        "role": {"coding": [{"system": participation, "code": "IRCP"}]},
        "reference": {"reference": reference},
    }


def labels(*codes: str) -> list[dict[str, str]]:
    """Confidentiality by its one letter, sensitivity by its code."""
    return [
        {"system": CONFIDENTIALITY if len(code) == 1 else SENSITIVITY, "code": code}
        for code in codes
    ]


def purposes(*codes: str) -> list[dict[str, str]]:
    """Purposes of use; ``system|code`` for those of other systems."""
    return [
        {"system": code.partition("|")[0], "code": code.partition("|")[2]}
        if "|" in code
        else {"system": REASON, "code": code}
        for code in codes
    ]


def data(meaning: str, *references: str) -> list[dict[str, Any]]:
    """The data that a provision is about."""
    return [{"meaning": meaning, "reference": {"reference": each}} for each in references]


def provision(type_: str, *nested: Provision, **criteria: Any) -> Provision:
    """A provision with its exceptions; ``class_`` for ``class``."""
    given = {name.rstrip("_"): value for name, value in criteria.items()}
    return {"type": type_, **given, **({"provision": list(nested)} if nested else {})}


def consent(patient: str, rules: Provision | None, **more: Any) -> dict[str, Any]:
    """An active Consent of a patient (an id), valid R4."""
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/consentscope",
                    "code": "patient-privacy",
                }
            ]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{patient}"},
        "dateTime": "2022-06-13",
        "policy": [{"uri": "https://rapport.example.org/policy/privacy"}],
        **({"provision": rules} if rules is not None else {}),
        **more,
    }
