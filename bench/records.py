"""The records that the benchmark writes and asks for: a clinic, its forms, its answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

BASE = "https://bench.example.org"
FORTY = f"{BASE}/Questionnaire/forty|1.0.0"
_ANSWERS = f"{BASE}/CodeSystem/answer"
_DAY = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)

Tree = dict[str, Any]


def questionnaire(items: int, name: str) -> Tree:
    """A form of so many items, each answered by one of five codes."""
    options = [
        {"valueCoding": {"system": _ANSWERS, "code": str(code), "display": f"answer {code}"}}
        for code in range(5)
    ]
    return {
        "resourceType": "Questionnaire",
        "id": name,
        "url": f"{BASE}/Questionnaire/{name}",
        "version": "1.0.0",
        "status": "active",
        "subjectType": ["Patient"],
        "item": [
            {"linkId": f"q{n}", "text": _statement(n), "type": "choice", "answerOption": options}
            for n in range(1, items + 1)
        ],
    }


def response(patient: int, number: int, *, items: int = 40, form: str = FORTY) -> Tree:
    """A patient's answers to the form after a session."""
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": form,
        "status": "completed",
        "subject": {"reference": f"Patient/p{patient}"},
        "encounter": {"reference": f"Encounter/e{patient}"},
        "authored": (_DAY + timedelta(days=7 * number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "author": {"reference": f"Patient/p{patient}"},
        "item": [
            {"linkId": f"q{n}", "text": _statement(n), "answer": [_answer(n, number)]}
            for n in range(1, items + 1)
        ],
    }


def _statement(n: int) -> str:
    return f"How strongly do you agree with statement {n}?"


def _answer(item: int, number: int) -> Tree:
    code = (item + number) % 5
    return {"valueCoding": {"system": _ANSWERS, "code": str(code), "display": f"answer {code}"}}


def clinic(patients: int, practitioners: int = 5) -> list[Tree]:
    """An organization, its therapists, and patients with a course of therapy each."""
    found: list[Tree] = [
        {"resourceType": "Organization", "id": "bench", "active": True, "name": "Bench Clinic"}
    ]
    found += [
        {
            "resourceType": "Practitioner",
            "id": f"t{n}",
            "active": True,
            "name": [{"family": f"Therapist{n}", "given": ["Ada"]}],
        }
        for n in range(practitioners)
    ]
    for n in range(patients):
        found += _course(n, n % practitioners)
    return found


def _course(n: int, therapist: int) -> list[Tree]:
    patient = {"reference": f"Patient/p{n}"}
    manager = {"reference": f"Practitioner/t{therapist}"}
    return [
        {
            "resourceType": "Patient",
            "id": f"p{n}",
            "active": True,
            "identifier": [{"system": f"{BASE}/record-number", "value": f"RN{n:07d}"}],
            "name": [{"use": "official", "family": f"Family{n:05d}", "given": ["Nadia"]}],
            "gender": "female" if n % 2 else "male",
            "birthDate": f"{1950 + n % 55}-0{1 + n % 9}-1{n % 10}",
            "managingOrganization": {"reference": "Organization/bench"},
            "generalPractitioner": [manager],
        },
        {
            "resourceType": "EpisodeOfCare",
            "id": f"c{n}",
            "status": "active",
            "patient": patient,
            "managingOrganization": {"reference": "Organization/bench"},
            "careManager": manager,
            "period": {"start": "2026-01-05"},
        },
        {
            "resourceType": "Encounter",
            "id": f"e{n}",
            "status": "finished",
            "class": {
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                "code": "AMB",
            },
            "subject": patient,
            "episodeOfCare": [{"reference": f"EpisodeOfCare/c{n}"}],
            "participant": [{"individual": manager}],
            "period": {"start": "2026-01-05T09:00:00Z", "end": "2026-01-05T09:50:00Z"},
        },
    ]


def transaction(resources: list[Tree]) -> Tree:
    """Resources with ids are put under them, others are created."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "resource": tree,
                "request": {"method": "PUT", "url": f"{tree['resourceType']}/{tree['id']}"}
                if "id" in tree
                else {"method": "POST", "url": tree["resourceType"]},
            }
            for tree in resources
        ],
    }


def text(tree: Tree) -> bytes:
    """A record as JSON."""
    return json.dumps(tree, separators=(",", ":")).encode()
