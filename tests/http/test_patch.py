"""patch, in its three forms. https://hl7.org/fhir/R4/http.html#patch"""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.http.answers import made, ok, refused, version
from tests.http.resources import MRN, PULSE, identified, observation, patient

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
FHIRPATH_PATCH = "application/fhir+json"


def replace(path, value):
    """One replacement as a FHIRPath Patch."""
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": path},
        {"name": "value", **value},
    ]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


async def send(client, where, patch, content_type, **headers):
    return await client.patch(
        where,
        content=patch if isinstance(patch, bytes) else json.dumps(patch),
        headers={"Content-Type": content_type, **headers},
    )


FORMS = [
    (JSON_PATCH, [{"op": "replace", "path": "/name/0/family", "value": "New"}]),
    (f"{JSON_PATCH}; charset=utf-8", [{"op": "replace", "path": "/name/0/family", "value": "New"}]),
    (FHIRPATH_PATCH, replace("Patient.name.family", {"valueString": "New"})),
    (MERGE_PATCH, {"name": [{"family": "New"}]}),
    # Clients that send a plain object mean a merge.
    ("application/json", {"name": [{"family": "New"}]}),
    ("application/json; charset=UTF-8", {"name": [{"family": "New"}]}),
]


@pytest.mark.parametrize("content_type, change", FORMS)
async def test_a_patch_makes_the_next_version(ehr, content_type, change):
    where = made(await ehr.post("Patient", json=patient("Old", active=True)))
    answer = await send(ehr, where, change, content_type)
    body = ok(answer)
    assert body["name"] == [{"family": "New"}]
    assert body["active"] is True
    assert version(answer) == 2
    assert answer.headers["Location"].endswith(f"{where}/_history/2")
    assert (await ehr.get(where)).content == answer.content
    past = ok(await ehr.get(f"{where}/_history"))
    assert past["entry"][0]["request"] == {"method": "PATCH", "url": where}


@pytest.mark.parametrize("content_type, change", FORMS)
async def test_a_patch_that_changes_nothing_makes_no_version(ehr, content_type, change):
    first = await ehr.post("Patient", json=patient("New"))
    answer = await send(ehr, made(first), change, content_type)
    assert answer.content == first.content
    assert version(answer) == 1


async def test_what_a_patch_does_not_touch_stays_as_it_was_written(ehr):
    first = await ehr.post(
        "Observation",
        content=(
            b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
            b'"valueQuantity":{"value":1.50,"unit":"a"},"effectiveDateTime":"2026-11-02T18:30:00+01:00",'
            b'"extension":[{"url":"https://example.org/unknown",'
            b'"valueDecimal":0.1234567890123456789012345}]}'
        ),
    )
    for change, content_type in (
        ([{"op": "replace", "path": "/valueQuantity/unit", "value": "b"}], JSON_PATCH),
        (replace("Observation.value.unit", {"valueString": "c"}), FHIRPATH_PATCH),
        ({"valueQuantity": {"unit": "d"}}, MERGE_PATCH),
    ):
        answer = await send(ehr, made(first), change, content_type)
        assert answer.status_code == 200, answer.text
        for kept in (
            b'"value":1.50', b"2026-11-02T18:30:00+01:00", b"0.1234567890123456789012345",
        ):  # fmt: skip
            assert kept in answer.content


@pytest.mark.parametrize(
    "content_type, change, status",
    [
        (JSON_PATCH, b"{", 400),
        (JSON_PATCH, b"", 400),
        (MERGE_PATCH, b'{"active": true, "active": false}', 400),
        (JSON_PATCH, {"op": "remove", "path": "/active"}, 422),
        (JSON_PATCH, [{"op": "remove", "path": "/none"}], 422),
        (JSON_PATCH, [{"op": "test", "path": "/active", "value": False}], 422),
        (JSON_PATCH, [{"op": "jump", "path": "/active"}], 422),
        (JSON_PATCH, [5], 422),
        (FHIRPATH_PATCH, {"resourceType": "Patient"}, 422),
        (FHIRPATH_PATCH, {"resourceType": "Parameters"}, 422),
        (FHIRPATH_PATCH, {"resourceType": "Parameters", "parameter": 5}, 422),
        (FHIRPATH_PATCH, replace("Patient.nothing(", {"valueString": "x"}), 422),
        (FHIRPATH_PATCH, replace("Patient.name", {"valueString": "x"}), 422),
        (MERGE_PATCH, [], 422),
        (MERGE_PATCH, {"active": "yes"}, 422),
        (MERGE_PATCH, {"resourceType": "Group"}, 422),
        (MERGE_PATCH, {"resourceType": None}, 422),
        (MERGE_PATCH, {"id": "other"}, 422),
        (JSON_PATCH, [{"op": "replace", "path": "/id", "value": "other"}], 422),
        (JSON_PATCH, [{"op": "remove", "path": "/id"}], 422),
        (JSON_PATCH, [{"op": "replace", "path": "", "value": {"resourceType": "Patient"}}], 422),
        (JSON_PATCH, [{"op": "replace", "path": "", "value": 5}], 422),
        ("application/xml-patch+xml", b"<diff/>", 415),
        ("text/plain", b"[]", 415),
    ],
)
async def test_a_patch_that_cannot_be_applied_changes_nothing(ehr, content_type, change, status):
    first = await ehr.post("Patient", json=patient(active=True))
    refused(await send(ehr, made(first), change, content_type), status)
    assert (await ehr.get(made(first))).content == first.content


async def test_the_result_of_a_patch_is_checked_like_any_update(ehr):
    where = made(await ehr.post("Patient", json=patient()))
    wrong = {"gender": "f", "birthDate": "someday"}
    issues = refused(await send(ehr, where, wrong, MERGE_PATCH), 422)
    assert {place for issue in issues for place in issue["expression"]} == {
        "Patient.gender",
        "Patient.birthDate",
    }
    answers = {
        "resourceType": "QuestionnaireResponse", "questionnaire": PULSE, "status": "in-progress",
    }  # fmt: skip
    where = made(await ehr.post("QuestionnaireResponse", json=answers))
    change = {"item": [{"linkId": "nowhere", "answer": [{"valueInteger": 1}]}]}
    refused(await send(ehr, where, change, MERGE_PATCH), 422)


async def test_server_meta_cannot_be_patched(ehr):
    where = made(await ehr.post("Patient", json=patient()))
    meta = {"versionId": "9", "lastUpdated": "2001-01-01T00:00:00Z", "tag": [{"code": "kept"}]}
    body = ok(await send(ehr, where, {"meta": meta}, MERGE_PATCH))
    assert body["meta"]["versionId"] == "2"
    assert not body["meta"]["lastUpdated"].startswith("2001")
    assert body["meta"]["tag"] == [{"code": "kept"}]


async def test_there_must_be_something_to_patch(ehr):
    refused(await send(ehr, "Patient/none", {}, MERGE_PATCH), 404, "not-found")
    where = made(await ehr.post("Patient", json=patient()))
    await ehr.delete(where)
    refused(await send(ehr, where, {"active": True}, MERGE_PATCH), 410, "deleted")


async def test_a_patch_may_be_for_one_version_only(ehr):
    where = made(await ehr.post("Patient", json=patient()))
    for tag, status in (('W/"2"', 412), ('W/"1"', 200), ('W/"1"', 412), ("*", 200)):
        change = {"active": status == 200 and tag != "*"}
        answer = await send(ehr, where, change, MERGE_PATCH, **{"If-Match": tag})
        assert answer.status_code == status
    assert version(await ehr.get(where)) == 3


async def test_patches_at_once_lose_nothing(clinic):
    where = made(await clinic.http.post("Patient", json=patient(telecom=[])| {"telecom": [
        {"system": "other", "value": "first"}]}))  # fmt: skip
    add = {"op": "add", "path": "/telecom/-"}
    answers = await asyncio.gather(
        *(
            send(
                clinic.http,
                where,
                [{**add, "value": {"system": "other", "value": str(number)}}],
                JSON_PATCH,
            )
            for number in range(20)
        )
    )
    assert {answer.status_code for answer in answers} == {200}
    values = [one["value"] for one in ok(await clinic.http.get(where))["telecom"]]
    assert sorted(values) == sorted(["first", *map(str, range(20))])


async def test_a_patch_finds_what_it_is_for(clinic):
    ehr = clinic.http
    criteria = f"Patient?identifier={MRN}|7"
    refused(await send(ehr, criteria, {"active": True}, MERGE_PATCH), 404, "not-found")
    first = made(await ehr.post("Patient", json=identified("7")))
    answer = await send(ehr, criteria, {"active": True}, MERGE_PATCH)
    assert ok(answer)["id"] == first.partition("/")[2]
    assert version(answer) == 2
    await ehr.post("Patient", json=identified("7"))
    refused(await send(ehr, criteria, {"active": False}, MERGE_PATCH), 412, "multiple-matches")
    refused(await send(ehr, "Patient", {"active": False}, MERGE_PATCH), 400, "required")
    refused(await send(ehr, "Patient?nothing=1", {"active": False}, MERGE_PATCH), 400)


async def test_a_patch_moves_a_record_into_the_right_hands(ehr):
    """Owners and index follow the new content."""
    one = made(await ehr.post("Patient", json=patient("Wrong")))
    other = made(await ehr.post("Patient", json=patient("Right")))
    score = made(await ehr.post("Observation", json=observation(one)))
    ok(await send(ehr, score, {"subject": {"reference": other}}, MERGE_PATCH))
    assert ok(await ehr.get(f"{one}/Observation"))["total"] == 0
    assert ok(await ehr.get(f"{other}/Observation"))["total"] == 1


async def test_what_is_no_patch_is_told_which_are(ehr):
    """RFC 5789 section 2.2."""
    where = made(await ehr.post("Patient", json=patient()))
    answer = await send(ehr, where, b"<diff/>", "application/xml-patch+xml")
    [issue] = refused(answer, 415, "not-supported")
    taken = answer.headers["Accept-Patch"].split(", ")
    assert {JSON_PATCH, MERGE_PATCH, FHIRPATH_PATCH} <= set(taken)
    assert all(name in issue["diagnostics"] for name in taken)
    for name in taken:
        patch = {JSON_PATCH: [], FHIRPATH_PATCH: {"resourceType": "Parameters"}}.get(name, {})
        assert (await send(ehr, where, patch, name)).status_code != 415
