"""Resources and Bundles for the tests over HTTP, as small as the test needs them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

Tree = dict[str, Any]

BASE = "https://rapport.test/fhir"
OURS = "https://rapport.example.org"
PULSE = f"{OURS}/Questionnaire/asc-pulse|1.0.0"
SCALES = f"{OURS}/CodeSystem/alliance-scale"
ANSWERS = f"{OURS}/CodeSystem/asc-answer"
MRN = "https://clinic.example.org/mrn"
PULSE_ITEMS = ("B1", "G1", "T1", "S2", "O1")
EMERGENCY: Tree = {
    "resourceType": "Parameters",
    "parameter": [{"name": "reason", "valueCode": "ETREAT"}],
}


def patient(family: str = "Costa", **more: Any) -> Tree:
    return {"resourceType": "Patient", "name": [{"family": family}], **more}


def identified(value: str, **more: Any) -> Tree:
    """A Patient with a record number."""
    return patient(identifier=[{"system": MRN, "value": value}], **more)


def observation(subject: str, value: Any = 5, **more: Any) -> Tree:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": SCALES, "code": "total"}]},
        "subject": {"reference": subject},
        "valueQuantity": {"value": value},
        **more,
    }


def episode(subject: str, **more: Any) -> Tree:
    return {
        "resourceType": "EpisodeOfCare",
        "status": "active",
        "patient": {"reference": subject},
        "period": {"start": "2026-10-01"},
        **more,
    }


def encounter(subject: str, **more: Any) -> Tree:
    return {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": subject},
        **more,
    }


def goal(subject: str, text: str = "to talk", **more: Any) -> Tree:
    return {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "subject": {"reference": subject},
        "description": {"text": text},
        **more,
    }


def couple(*members: str, **more: Any) -> Tree:
    """A Group of people, each named by a reference."""
    people = [{"entity": {"reference": each}} for each in members]
    return {"resourceType": "Group", "type": "person", "actual": True, "member": people, **more}


def pulse(*levels: int | None, subject: str | None = None, **more: Any) -> Tree:
    """The five answers of a pulse, 0 to 4, in the order of its items; None: not answered."""
    items = [
        {"linkId": link, "answer": [{"valueCoding": {"system": ANSWERS, "code": str(level)}}]}
        for link, level in zip(PULSE_ITEMS, levels, strict=True)
        if level is not None
    ]
    tree: Tree = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": PULSE,
        "status": "completed",
        "authored": "2026-11-02T18:30:00+01:00",
    }
    if subject is not None:
        tree["subject"] = {"reference": subject}
    if items:
        tree["item"] = items
    return tree | more


def urn() -> str:
    return f"urn:uuid:{uuid4()}"


def entry(
    method: str, url: str, resource: Tree | None = None, *, full_url: str | None = None, **more: str
) -> Tree:
    """A Bundle entry; ``more`` are further members of its request, such as ``ifMatch``."""
    tree: Tree = {"request": {"method": method, "url": url, **more}}
    if resource is not None:
        tree["resource"] = resource
    if full_url is not None:
        tree["fullUrl"] = full_url
    return tree


def bundle(type: str, *entries: Any) -> Tree:
    tree: Tree = {"resourceType": "Bundle", "type": type}
    if entries:
        tree["entry"] = list(entries)
    return tree
