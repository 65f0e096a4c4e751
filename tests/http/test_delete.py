"""delete. https://hl7.org/fhir/R4/http.html#delete"""

from __future__ import annotations

import asyncio

import pytest

from tests.http.answers import made, ok, refused
from tests.http.resources import MRN, identified, observation, patient


async def test_what_is_deleted_is_gone_from_everywhere_but_its_history(ehr):
    owner = made(await ehr.post("Patient", json=patient()))
    where = made(await ehr.post("Observation", json=observation(owner)))
    answer = await ehr.delete(where)
    assert answer.status_code == 204
    assert answer.content == b""
    assert answer.headers["ETag"] == 'W/"2"'
    assert "Content-Type" not in answer.headers
    refused(await ehr.get(where), 410, "deleted")
    id = where.partition("/")[2]
    for address in (
        f"Observation?_id={id}", f"Observation?subject={owner}", f"{owner}/Observation",
        f"Observation?subject={owner}&_summary=count", f"Patient?_has:Observation:subject:_id={id}",
    ):  # fmt: skip
        assert ok(await ehr.get(address))["total"] == 0, address
    past = ok(await ehr.get(f"{where}/_history"))
    assert past["total"] == 2
    last, first = past["entry"]
    assert "resource" not in last
    assert last["request"] == {"method": "DELETE", "url": where}
    assert last["response"]["status"].startswith("204")
    assert last["response"]["etag"] == 'W/"2"'
    assert first["resource"]["meta"]["versionId"] == "1"


async def test_to_delete_twice_is_no_error(ehr):
    where = made(await ehr.post("Patient", json=patient()))
    for _ in range(3):
        assert (await ehr.delete(where)).status_code == 204
    assert ok(await ehr.get(f"{where}/_history"))["total"] == 2


async def test_to_delete_what_never_was_is_no_error_and_leaves_nothing(ehr):
    assert (await ehr.delete("Patient/none")).status_code == 204
    refused(await ehr.get("Patient/none"), 404)


async def test_deletions_at_once_are_one(clinic):
    where = made(await clinic.http.post("Patient", json=patient()))
    answers = await asyncio.gather(*(clinic.http.delete(where) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {204}
    assert ok(await clinic.http.get(f"{where}/_history"))["total"] == 2


async def test_a_deletion_may_be_for_one_version_only(ehr):
    where = made(await ehr.post("Patient", json=patient()))
    refused(await ehr.delete(where, headers={"If-Match": 'W/"2"'}), 412, "conflict")
    assert (await ehr.get(where)).status_code == 200
    assert (await ehr.delete(where, headers={"If-Match": 'W/"1"'})).status_code == 204


async def test_a_deletion_can_say_what_it_did(ehr):
    where = made(await ehr.post("Patient", json=patient()))
    answer = await ehr.delete(where, headers={"Prefer": "return=OperationOutcome"})
    assert ok(answer)["resourceType"] == "OperationOutcome"
    refused(await ehr.get(where), 410)


async def test_a_deletion_finds_what_it_is_for(clinic):
    ehr = clinic.http
    criteria = f"Patient?identifier={MRN}|7"
    assert (await ehr.delete(criteria)).status_code == 204
    first = made(await ehr.post("Patient", json=identified("7")))
    other = made(await ehr.post("Patient", json=identified("8")))
    assert (await ehr.delete(criteria)).status_code == 204
    refused(await ehr.get(first), 410)
    assert (await ehr.get(other)).status_code == 200
    pair = [made(await ehr.post("Patient", json=identified("7"))) for _ in range(2)]
    refused(await ehr.delete(criteria), 412, "multiple-matches")
    for where in pair:
        assert (await ehr.get(where)).status_code == 200


@pytest.mark.parametrize(
    "criteria", ["", "?", "?_format=json", "?_count=1", "?nothing=1", "?identifier=",
                 "?_include=Patient:organization", "?_sort=name", "?name:unknown=a"],
)  # fmt: skip
async def test_nothing_is_deleted_without_a_criterion_that_is_understood(clinic, criteria):
    where = made(await clinic.http.post("Patient", json=patient()))
    refused(await clinic.http.delete(f"Patient{criteria}"), 400)
    assert (await clinic.http.get(where)).status_code == 200
