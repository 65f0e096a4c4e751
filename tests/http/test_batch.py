"""batch: each entry as if it came alone. https://hl7.org/fhir/R4/http.html#brules"""

from __future__ import annotations

import base64
import json

import pytest

from tests.http.answers import made, ok, refused, resources
from tests.http.resources import BASE, MRN, bundle, entry, identified, observation, patient, urn


def statuses(answer):
    return [one["response"]["status"][:3] for one in answer["entry"]]


async def test_entries_are_answered_one_by_one(clinic):
    ehr = clinic.http
    where = made(await ehr.post("Patient", json=patient()))
    gone = made(await ehr.post("Patient", json=patient()))
    await ehr.delete(gone)
    sent = bundle(
        "batch",
        entry("POST", "Patient", patient("New")),
        entry("GET", where),
        entry("GET", f"{where}/_history/1"),
        entry("GET", "Patient?family=Costa"),
        entry("GET", f"{where}/_history"),
        entry("PUT", where, patient("Changed", id=where.partition("/")[2])),
        entry("POST", "Patient", patient(gender="f")),
        entry("GET", "Patient/none"),
        entry("GET", gone),
        entry("GET", "Nothing/1"),
        entry("DELETE", "AuditEvent/1"),
        entry("HEAD", where),
        entry("GET", where, ifNoneMatch='W/"2"'),
        entry("PUT", where, patient(id=where.partition("/")[2]), ifMatch='W/"1"'),
        entry("DELETE", where),
    )
    answer = ok(await ehr.post("", json=sent))
    assert answer["type"] == "batch-response"
    assert statuses(answer) == [
        "201", "200", "200", "200", "200", "200", "422", "404", "410", "404", "405", "200", "304",
        "412", "204",
    ]  # fmt: skip
    by_place = answer["entry"]
    created = by_place[0]
    assert created["response"]["location"] == (
        f"{BASE}/Patient/{created['resource']['id']}/_history/1"
    )
    assert created["response"]["etag"] == 'W/"1"'
    assert created["response"]["lastModified"] == created["resource"]["meta"]["lastUpdated"]
    assert by_place[3]["resource"]["type"] == "searchset"
    assert by_place[4]["resource"]["type"] == "history"
    for place in (6, 7, 8, 9, 10, 13):
        outcome = by_place[place]["response"]["outcome"]
        assert outcome["resourceType"] == "OperationOutcome"
        assert "resource" not in by_place[place]
    assert by_place[6]["response"]["outcome"]["issue"][0]["expression"] == ["Patient.gender"]
    assert "location" not in by_place[1]["response"]
    assert by_place[1]["response"]["etag"] == 'W/"1"'


async def test_a_bad_entry_harms_no_other(clinic):
    sent = bundle("batch", *(entry("POST", "Patient", identified(str(n))) for n in range(3)))
    for broken in (
        {}, {"request": {}}, {"request": {"method": "POST"}}, {"request": {"url": "Patient"}},
        {"request": {"method": "JUMP", "url": "Patient"}}, {"request": 5},
        entry("POST", "Patient"), {**entry("POST", "Patient"), "resource": 5},
        {**entry("POST", "Patient"), "resource": {}}, entry("POST", "Patient", {"x": 1}),
        entry("GET", "https://elsewhere.example.org/fhir/Patient"), entry("GET", "//["),
        entry("GET", "Patient?birthdate=someday"), entry("POST", "", bundle("batch")),
        {**entry("GET", "Patient"), "fullUrl": 5},
        {"request": {"method": "GET", "url": "Patient/1", "ifMatch": []}},
        {"request": {"method": "POST", "url": ["Patient"]}},
        {"request": {"method": "GET", "url": "Patient", "ifNoneExist": {}}},
        {**entry("GET", "Patient"), "unknown": 1},
    ):  # fmt: skip
        sent["entry"].insert(1, broken)
    answer = ok(await clinic.http.post("", json=sent))
    assert len(answer["entry"]) == len(sent["entry"])
    assert statuses(answer)[0] == "201"
    assert statuses(answer)[-2:] == ["201", "201"]
    assert {status[0] for status in statuses(answer)[1:-2]} == {"4"}
    assert ok(await clinic.http.get("Patient"))["total"] == 3


async def test_entries_that_are_no_objects_are_refused(clinic):
    for entries in (5, "x", {}, True):
        sent = {**bundle("batch"), "entry": entries}
        refused(await clinic.http.post("", json=sent), 422, "structure")
    good = entry("POST", "Patient", patient())
    answer = ok(await clinic.http.post("", json=bundle("batch", 5, None, [], "x", good)))
    assert statuses(answer) == ["422", "422", "422", "422", "201"]
    refused(await clinic.http.post("", json=bundle("transaction", good, 5)), 422, "structure")
    assert ok(await clinic.http.get("Patient"))["total"] == 1


@pytest.mark.parametrize(
    "body, status",
    [
        ({"resourceType": "Patient"}, 400),
        ({"resourceType": "Bundle"}, 422),
        (bundle("collection"), 422),
        (bundle("searchset"), 422),
        (bundle("unknown"), 422),
        ({**bundle("batch"), "type": ["batch"]}, 422),
        ({**bundle("batch"), "entry": 5}, 422),
        ({**bundle("batch"), "unknown": True}, 422),
    ],
)
async def test_only_a_batch_or_a_transaction_is_taken(ehr, body, status):
    refused(await ehr.post("", json=body), status)


async def test_an_empty_batch_is_answered_by_an_empty_one(ehr):
    answer = ok(await ehr.post("", json=bundle("batch")))
    assert answer["type"] == "batch-response"
    assert "entry" not in answer


async def test_the_base_with_and_without_a_slash(ehr):
    for address in (BASE, f"{BASE}/"):
        answer = await ehr.post(address, json=bundle("batch", entry("GET", "Patient?_count=0")))
        assert statuses(ok(answer)) == ["200"]


async def test_addresses_may_be_absolute_or_relative(ehr):
    where = made(await ehr.post("Patient", json=patient()))
    answer = ok(
        await ehr.post(
            "",
            json=bundle(
                "batch",
                entry("GET", where),
                entry("GET", f"/{where}"),
                entry("GET", f"{BASE}/{where}"),
                entry("GET", f"{BASE}?_type=Patient&_count=1"),
                entry("GET", f"{BASE}x/{where}"),
            ),
        )
    )
    assert statuses(answer) == ["200", "200", "200", "200", "400"]


async def test_batches_patch_too(ehr):
    where = made(await ehr.post("Patient", json=patient()))
    operations = json.dumps([{"op": "add", "path": "/active", "value": True}]).encode()
    binary = {
        "resourceType": "Binary",
        "contentType": "application/json-patch+json",
        "data": base64.b64encode(operations).decode(),
    }
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Patient.active"},
        {"name": "value", "valueBoolean": False},
    ]
    parameters = {
        "resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}],
    }  # fmt: skip
    sent = bundle(
        "batch",
        entry("PATCH", where, binary),
        entry("PATCH", where, parameters),
        entry("PATCH", where, patient()),
        entry("PATCH", where, {**binary, "data": "%"}),
        entry("PATCH", where, {**binary, "contentType": "text/plain"}),
    )
    answer = ok(await ehr.post("", json=sent))
    assert statuses(answer) == ["200", "200", "422", "422", "422"]
    assert [one["active"] for one in resources(answer)] == [True, False]


async def test_operations_are_entries_like_others(ehr):
    where = made(await ehr.post("Patient", json=patient()))
    sent = bundle(
        "batch",
        entry("GET", f"{where}/$everything"),
        entry("POST", "Patient/$validate", patient(gender="f")),
        entry("GET", "Patient/$validate"),
        entry("GET", "Patient/$nothing"),
    )
    answer = ok(await ehr.post("", json=sent))
    assert statuses(answer) == ["200", "200", "405", "404"]
    everything, outcome = resources(answer)
    assert everything["type"] == "searchset"
    assert outcome["issue"][0]["code"] == "code-invalid"


async def test_conditions_work_in_entries(clinic):
    criteria = f"identifier={MRN}|1"
    sent = bundle(
        "batch",
        entry("POST", "Patient", identified("1"), ifNoneExist=criteria),
        entry("POST", "Patient", identified("1"), ifNoneExist=criteria),
        entry("PUT", f"Patient?{criteria}", identified("1", active=True)),
        entry("DELETE", f"Patient?{criteria}"),
        entry("DELETE", "Patient"),
    )
    assert statuses(ok(await clinic.http.post("", json=sent))) == [
        "201",
        "200",
        "200",
        "204",
        "400",
    ]


async def test_a_batch_leaves_references_alone(ehr):
    placeholder = urn()
    sent = bundle(
        "batch",
        entry("POST", "Patient", patient(), full_url=placeholder),
        entry("POST", "Observation", observation("Patient/1")),
    )
    answer = ok(await ehr.post("", json=sent))
    assert resources(answer)[1]["subject"] == {"reference": "Patient/1"}


async def test_each_entry_needs_its_right(clinic):
    where = made(await clinic.http.post("Patient", json=patient()))
    reader = await clinic.as_client("system/Patient.rs")
    sent = bundle(
        "batch",
        entry("GET", where),
        entry("POST", "Patient", patient()),
        entry("GET", "Observation"),
        entry("DELETE", where),
    )
    assert statuses(ok(await reader.post("", json=sent))) == ["200", "403", "403", "403"]
    assert (await clinic.http.get(where)).status_code == 200


async def test_less_is_sent_back_where_less_is_preferred(ehr):
    sent = bundle("batch", entry("POST", "Patient", patient()), entry("GET", "Patient?_count=0"))
    answer = ok(await ehr.post("", json=sent, headers={"Prefer": "return=minimal"}))
    assert "resource" not in answer["entry"][0]
    assert answer["entry"][0]["response"]["location"].startswith(f"{BASE}/Patient/")
    assert answer["entry"][1]["resource"]["resourceType"] == "Bundle"


async def test_five_hundred_entries_and_no_more(clinic):
    entries = [entry("GET", "Patient?_count=0")] * 501
    answer = ok(await clinic.http.post("", json=bundle("batch", *entries[:500])))
    assert set(statuses(answer)) == {"200"}
    assert len(answer["entry"]) == 500
    refused(await clinic.http.post("", json=bundle("batch", *entries)), 413, "too-long")
