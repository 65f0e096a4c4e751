"""CDS Hooks as a record system calls them: a signed token for each call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
from jose import jwt

from app.core.clock import SECOND
from tests.support.application import ORIGIN, Backend, Clinic
from tests.support.asking import asking
from tests.support.therapy import OURS, Therapy, wai

ALERTS, FORMS = "alliance-alerts", "measure-due"
HOOKS = {ALERTS: "patient-view", FORMS: "encounter-start"}
# One rupture, by every live rule of the instrument.
RUPTURE = [wai(total) for total in (50, 51, 50, 52, 51, 45)]


def address(service: str) -> str:
    return f"{ORIGIN}/cds-services/{service}"


def claims(backend: Backend, service: str, **changes: Any) -> dict[str, Any]:
    """What a call's token says; ``None`` leaves a claim out."""
    now = backend.application.clock.now() // SECOND
    usual = {
        "iss": backend.client_id,
        "aud": address(service),
        "iat": now,
        "exp": now + 240,
        "jti": str(uuid4()),
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def signed(
    backend: Backend, said: Mapping[str, Any], headers: Mapping[str, Any] | None = None
) -> str:
    """The token under the client's own key."""
    named = {"kid": backend.key.kid, "typ": "JWT", **(headers or {})}
    return str(jwt.encode(dict(said), dict(backend.key.private_jwk), "ES384", headers=named))


def view(patient: str, user: str, service: str = ALERTS, **changes: Any) -> dict[str, Any]:
    """The body of a call about ``Patient/x`` for ``Practitioner/x``."""
    context = {"userId": user, "patientId": patient.partition("/")[2]}
    if service == FORMS:
        context["encounterId"] = "one-of-theirs"
    return {"hook": HOOKS[service], "hookInstance": str(uuid4()), "context": context, **changes}


async def called(
    clinic: Clinic,
    body: Any,
    service: str = ALERTS,
    *,
    by: Backend | None = None,
    token: str | None = None,
    language: str = "en",
    path: str = "",
) -> httpx.Response:
    """The answer to a call by the clinic's record system, or another client of it."""
    backend = by or clinic.ehr
    token = token or signed(backend, claims(backend, service + path))
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept-Language": language,
        "Content-Type": "application/json",
    }
    async with clinic.application.http(headers=headers) as http:
        return await http.post(f"/cds-services/{service}{path}", content=json.dumps(body))


async def cards(
    clinic: Clinic, patient: str, user: str, service: str = ALERTS, **more: Any
) -> list[dict[str, Any]]:
    """The cards that a person of the clinic gets."""
    answer = await called(clinic, view(patient, user, service), service, **more)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["cards"]
    return found


async def ruptured(course: Therapy) -> Therapy:
    """The course after a session in which the score fell."""
    await course.sessions("wai-sr", RUPTURE)
    return course


def waiting(name: str) -> list[dict[str, Any]]:
    """An open alert and a form to answer in the record of somebody whose course is ``e-…``."""
    subject = {"reference": f"Patient/{name}"}
    saw = [
        {"url": "episode", "valueReference": {"reference": f"EpisodeOfCare/e-{name}"}},
        {"url": "encounter", "valueReference": {"reference": f"Encounter/v-{name}"}},
        {"url": "session", "valuePositiveInt": 1},
        {"url": "instrument", "valueCode": "wai-sr"},
        {"url": "scale", "valueCode": "total"},
    ]
    rule = {"system": f"{OURS}/CodeSystem/rupture-rule", "code": "step-drop"}
    alert = {
        "resourceType": "DetectedIssue",
        "id": f"alert-{name}",
        "status": "preliminary",
        "patient": subject,
        "code": {"coding": [rule]},
        "identifiedDateTime": "2026-01-02",
        "extension": [
            {"url": f"{OURS}/StructureDefinition/rule-evaluation", "extension": saw},
        ],
    }
    return [alert, asking(f"Patient/{name}", id=f"form-{name}")]
