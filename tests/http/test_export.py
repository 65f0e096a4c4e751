"""``$export``: https://hl7.org/fhir/uv/bulkdata/export. Asked for, prepared, fetched, ended."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from tests.http.answers import made, ok, refused
from tests.http.resources import observation, patient
from tests.support.application import Clinic
from tests.support.exports import (
    below,
    exported,
    kick_off,
    named,
    prepared,
)


@pytest.fixture
async def people(clinic: Clinic) -> list[str]:
    """Three patients with an Observation each."""
    found = []
    for name in ("Amsel", "Berg", "Costa"):
        who = made(await clinic.http.post("Patient", json=patient(name)))
        made(await clinic.http.post("Observation", json=observation(who)))
        found.append(who)
    await clinic.settle()
    return found


async def test_the_walk_of_an_export(clinic: Clinic, people):
    answer = await kick_off(clinic.http, "$export?_type=Patient,Observation")
    assert answer.status_code == 202
    assert answer.headers["Content-Location"].startswith("https://rapport.test/fhir/$export/")
    status = below(answer.headers["Content-Location"])

    waiting = await clinic.http.get(status)
    assert (waiting.status_code, waiting.content) == (202, b"")
    assert int(waiting.headers["Retry-After"]) > 0
    assert len(waiting.headers["X-Progress"]) < 100

    await prepared(clinic.application)
    ready = await clinic.http.get(status)
    assert ready.status_code == 200
    assert ready.headers["Content-Type"] == "application/json"
    assert parsedate_to_datetime(ready.headers["Expires"]).tzinfo is not None
    told = ready.json()
    assert told["request"] == "https://rapport.test/fhir/$export?_type=Patient,Observation"
    assert told["requiresAccessToken"] is True
    assert [item["type"] for item in told["output"]] == ["Patient", "Observation"]
    assert (told["deleted"], told["error"]) == ([], [])

    trees = await exported(clinic.http, told)
    assert len(trees) == 6
    assert set(people) == {name for name in named(trees) if name.startswith("Patient/")}
    for tree in trees:
        stored = ok(await clinic.http.get(f"{tree['resourceType']}/{tree['id']}"))
        assert tree == stored

    assert (await clinic.http.delete(status)).status_code == 202
    for address in (status, below(told["output"][0]["url"])):
        refused(await clinic.http.get(address), 404, "not-found")
    refused(await clinic.http.delete(status), 404, "not-found")
