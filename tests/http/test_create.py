"""create. https://hl7.org/fhir/R4/http.html#create"""

from __future__ import annotations

import re

import pytest

from app.fhir.registry import REGISTRY
from tests.http.answers import made, ok, refused
from tests.http.resources import BASE, patient


async def test_a_new_resource_gets_an_address(ehr):
    answer = await ehr.post("Patient", json=patient())
    assert answer.status_code == 201
    body = answer.json()
    place = f"{BASE}/Patient/{body['id']}/_history/1"
    assert answer.headers["Location"] == place
    assert answer.headers["Content-Location"] == place
    assert answer.headers["ETag"] == 'W/"1"'
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", body["id"])
    assert body["name"] == [{"family": "Costa"}]
    assert (await ehr.get(place)).content == answer.content


async def test_what_the_server_owns_is_the_server_s(ehr):
    answer = await ehr.post(
        "Patient",
        json=patient(
            id="mine",
            meta={
                "versionId": "77",
                "lastUpdated": "1999-01-01T00:00:00Z",
                "source": "https://ehr.example.org",
                "profile": ["https://example.org/StructureDefinition/unknown"],
                "tag": [{"code": "bare"}],
            },
        ),
    )
    body = answer.json()
    assert body["id"] != "mine"
    assert body["meta"].pop("versionId") == "1"
    assert not body["meta"].pop("lastUpdated").startswith("1999")
    assert body["meta"] == {
        "source": "https://ehr.example.org",
        "profile": ["https://example.org/StructureDefinition/unknown"],
        "tag": [{"code": "bare"}],
        "security": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
                "code": "N",
            }
        ],
    }
    refused(await ehr.get("Patient/mine"), 404)


@pytest.mark.parametrize(
    "body, code",
    [
        (b"", "structure"),
        (b"{", "structure"),
        (b"[]", "structure"),
        (b'"Patient"', "structure"),
        (b"null", "structure"),
        (b"{}", None),
        (b'{"resourceType": "Observation"}', None),
        (b'{"resourceType": 5}', None),
        (b'{"resourceType": ["Patient"]}', None),
        (b'{"resourceType": "patient"}', None),
    ],
)
async def test_a_body_that_is_no_such_resource_is_refused(ehr, body, code):
    refused(await ehr.post("Patient", content=body), 400, code)


async def test_every_problem_is_told_at_once(ehr):
    wrong = patient(
        gender="f", birthDate="1990-13-01", nickname="x", active="yes", contact=[{"gender": "male"}]
    )
    issues = refused(await ehr.post("Patient", json=wrong), 422)
    places = {place for issue in issues for place in issue["expression"]}
    assert places == {
        "Patient.gender", "Patient.birthDate", "Patient.nickname", "Patient.active",
        "Patient.contact[0]",
    }  # fmt: skip


READ_ONLY = [name for name, entry in REGISTRY.items() if entry.store != "resource"]


@pytest.mark.parametrize("name", READ_ONLY)
async def test_what_is_read_only_is_not_written(house, name):
    client = await house.as_client("system/*.cruds")
    for method, address in (
        ("POST", name), ("PUT", f"{name}/1"), ("PATCH", f"{name}/1"), ("DELETE", f"{name}/1"),
        ("PUT", f"{name}?_id=1"), ("PATCH", f"{name}?_id=1"), ("DELETE", f"{name}?_id=1"),
    ):  # fmt: skip
        refused(await client.request(method, address, content=b"{}"), 405, "not-supported")


async def test_two_creates_make_two(ehr):
    twins = [made(await ehr.post("Patient", json=patient("Twin"))) for _ in range(2)]
    assert twins[0] != twins[1]


async def test_a_client_that_may_only_read_makes_nothing(clinic):
    reader = await clinic.as_client("system/*.rs")
    refused(await reader.post("Patient", json=patient()), 403, "forbidden")
    refused(await reader.put("Patient/x", json=patient(id="x")), 403, "forbidden")
    refused(await reader.patch("Patient/x", content=b"[]"), 403, "forbidden")
    refused(await reader.delete("Patient/x"), 403, "forbidden")
    # Whatever the body says: what a caller may never do is told first.
    refused(await reader.post("Patient", content=b"{"), 403, "forbidden")
    assert ok(await clinic.http.get("Patient"))["total"] == 0


async def test_a_client_cannot_make_what_its_scope_does_not_reach(clinic):
    """The scope is about what results, not only about what was there."""
    survey = "http://terminology.hl7.org/CodeSystem/observation-category|survey"
    narrow = await clinic.as_client(f"system/Observation.cruds?category={survey}")
    refused(
        await narrow.post(
            "Observation",
            json={"resourceType": "Observation", "status": "final", "code": {"text": "x"}},
        ),
        403,
        "forbidden",
    )
    assert ok(await clinic.http.get("Observation"))["total"] == 0
