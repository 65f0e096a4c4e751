"""The records that the benchmark writes and asks for: a clinic, its forms, its answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

BASE = "https://bench.example.org"
FORTY = f"{BASE}/Questionnaire/forty|1.0.0"
_ANSWERS = f"{BASE}/CodeSystem/answer"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
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
        "authored": _at(number),
        "author": {"reference": f"Patient/p{patient}"},
        "item": [
            {"linkId": f"q{n}", "text": _statement(n), "answer": [_answer(n, number)]}
            for n in range(1, items + 1)
        ],
    }


def _at(number: int) -> str:
    return (_DAY + timedelta(days=7 * number)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _statement(n: int) -> str:
    return f"How strongly do you agree with statement {n}?"


def _answer(item: int, number: int) -> Tree:
    code = (item * 7 + number * 13 + item * item * number) % 11 % 5  # no two forms are alike
    return {"valueCoding": {"system": _ANSWERS, "code": str(code), "display": f"answer {code}"}}


CASELOAD = 40  # patients of a therapist


def organization() -> Tree:
    """The clinic itself."""
    return {"resourceType": "Organization", "id": "bench", "active": True, "name": "Bench Clinic"}


def therapist(n: int) -> Tree:
    """Somebody who treats the patients from ``n * CASELOAD`` on."""
    name = [{"family": f"Therapist{n}", "given": ["Ada"]}]
    return {"resourceType": "Practitioner", "id": f"t{n}", "active": True, "name": name}


def course(n: int) -> list[Tree]:
    """A patient, an episode of care and one session of it."""
    patient = {"reference": f"Patient/p{n}"}
    manager = {"reference": f"Practitioner/t{n // CASELOAD}"}
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


def score(patient: int, number: int) -> Tree:
    """A score of a response, as the server derives one."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": _CATEGORY, "code": "survey"}]}],
        "code": {"coding": [{"system": f"{BASE}/CodeSystem/scale", "code": "total"}]},
        "subject": {"reference": f"Patient/p{patient}"},
        "encounter": {"reference": f"Encounter/e{patient}"},
        "effectiveDateTime": _at(number),
        "valueQuantity": {"value": 20 + number % 60, "unit": "points"},
        "derivedFrom": [{"reference": f"QuestionnaireResponse/{patient}-{number}"}],
        "extension": [
            {
                "url": f"{BASE}/StructureDefinition/scoring-definition",
                "valueCanonical": f"{BASE}/Library/forty-total|1.0.0",
            },
            {"url": f"{BASE}/StructureDefinition/rater", "valueCode": "client"},
        ],
    }


def consent(patient: int, provisions: int, organization: str) -> Tree:
    """A patient's active Consent that permits an organization the use of so many data classes."""
    care = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}
    nested = [
        {
            "type": "permit",
            "purpose": [care],
            "actor": [
                {
                    "role": {"coding": [{"system": _PARTICIPATION, "code": "IRCP"}]},
                    "reference": {"reference": organization if n == 0 else f"{organization}-{n}"},
                }
            ],
        }
        for n in range(provisions)
    ]
    scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope"}
    return {
        "resourceType": "Consent",
        "id": f"k{patient}",
        "status": "active",
        "scope": {"coding": [{**scope, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/p{patient}"},
        "dateTime": "2026-01-05",
        "policy": [{"uri": "https://rapport.example.org/policy/privacy"}],
        "provision": {"type": "permit", "provision": nested},
    }


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
