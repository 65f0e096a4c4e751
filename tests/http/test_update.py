"""update and update-as-create. https://hl7.org/fhir/R4/http.html#update"""

from __future__ import annotations

import asyncio

import pytest

from tests.http.answers import made, ok, refused, resources, version
from tests.http.resources import BASE, patient


async def test_an_update_is_the_next_version(ehr):
    first = await ehr.post("Patient", json=patient("One"))
    where = made(first)
    answer = await ehr.put(where, json=first.json() | patient("Two"))
    assert answer.status_code == 200
    assert answer.headers["ETag"] == 'W/"2"'
    assert answer.headers["Location"] == f"{BASE}/{where}/_history/2"
    body = answer.json()
    assert body["meta"]["versionId"] == "2"
    assert body["meta"]["lastUpdated"] >= first.json()["meta"]["lastUpdated"]
    assert body["name"] == [{"family": "Two"}]
    assert (await ehr.get(where)).content == answer.content


async def test_a_system_may_choose_the_id(clinic):
    answer = await clinic.http.put("Patient/mine-1.A", json=patient(id="mine-1.A"))
    assert made(answer) == "Patient/mine-1.A"
    assert version(answer) == 1


async def test_the_id_in_the_body_is_the_one_in_the_address(ehr):
    for body in (patient(id="b"), patient()):
        issues = refused(await ehr.put("Patient/a", json=body), 400, "invalid")
        assert issues[0]["expression"] == ["Patient.id"]
    refused(await ehr.put("Patient/a", json={"resourceType": "Group", "id": "a"}), 400)
    refused(await ehr.get("Patient/a"), 404)


async def test_a_change_of_nothing_makes_no_version(ehr):
    first = await ehr.post(
        "Patient", json=patient("Same", active=True, meta={"tag": [{"code": "a"}]})
    )
    where, body = made(first), first.json()
    for same in (
        body,
        {key: body[key] for key in reversed(body)},
        body | {"meta": {"tag": [{"code": "a"}]}},
        body | {"meta": body["meta"] | {"versionId": "9", "lastUpdated": "2001-01-01T00:00:00Z"}},
    ):
        answer = await ehr.put(where, json=same)
        assert answer.status_code == 200
        assert answer.content == first.content
        assert version(answer) == 1
        assert answer.headers["Last-Modified"] == first.headers["Last-Modified"]
    assert ok(await ehr.get(f"{where}/_history"))["total"] == 1


async def test_precision_is_a_change(ehr):
    body = (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":1.5}}'
    )
    first = await ehr.post("Observation", content=body)
    where = made(first)
    answer = await ehr.put(where, content=first.content.replace(b"1.5}", b"1.50}"))
    assert version(answer) == 2
    assert b"1.50}" in (await ehr.get(where)).content


async def test_a_change_of_labels_is_a_change(ehr):
    first = await ehr.post("Patient", json=patient())
    tagged = first.json() | {"meta": {"tag": [{"code": "new"}]}}
    assert version(await ehr.put(made(first), json=tagged)) == 2


async def test_what_was_deleted_comes_back_as_the_next_version(ehr):
    first = await ehr.post("Patient", json=patient("Back"))
    where = made(first)
    await ehr.delete(where)
    answer = await ehr.put(where, json=first.json())
    assert answer.status_code == 201
    assert version(answer) == 3
    assert ok(await ehr.get(where))["name"] == [{"family": "Back"}]
    assert ok(await ehr.get("Patient", params={"_id": first.json()["id"]}))["total"] == 1
    past = ok(await ehr.get(f"{where}/_history"))
    assert [one["response"]["etag"] for one in past["entry"]] == ['W/"3"', 'W/"2"', 'W/"1"']


@pytest.mark.parametrize("tag", ['W/"1"', '"1"', "1", "*", 'W/"4", W/"1"'])
async def test_an_update_for_the_current_version_is_made(ehr, tag):
    first = await ehr.post("Patient", json=patient("One"))
    answer = await ehr.put(
        made(first), json=first.json() | patient("Two"), headers={"If-Match": tag}
    )
    assert version(answer) == 2


@pytest.mark.parametrize("tag", ['W/"2"', 'W/"0"', 'W/"x"', '"', "", 'W/"99999999999999999999999"'])
async def test_an_update_for_another_version_is_not(ehr, tag):
    first = await ehr.post("Patient", json=patient("One"))
    answer = await ehr.put(
        made(first), json=first.json() | patient("Two"), headers={"If-Match": tag}
    )
    refused(answer, 412, "conflict")
    assert ok(await ehr.get(made(first)))["name"] == [{"family": "One"}]


async def test_a_version_of_nothing_is_no_version(ehr):
    for tag in ('W/"1"', "*"):
        refused(
            await ehr.put("Patient/none", json=patient(id="none"), headers={"If-Match": tag}), 412
        )
    where = made(await ehr.post("Patient", json=patient()))
    await ehr.delete(where)
    back = patient(id=where.partition("/")[2])
    for tag in ('W/"1"', "*"):
        refused(await ehr.put(where, json=back, headers={"If-Match": tag}), 412)
    assert version(await ehr.put(where, json=back, headers={"If-Match": 'W/"2"'})) == 3


async def test_only_where_nothing_is(ehr):
    body = patient(id="only-once")
    first = await ehr.put("Patient/only-once", json=body, headers={"If-None-Match": "*"})
    assert version(first) == 1
    refused(
        await ehr.put(
            "Patient/only-once", json=body | {"active": True}, headers={"If-None-Match": "*"}
        ),
        412,
    )


async def test_of_a_hundred_updates_of_one_version_one_wins(clinic):
    first = await clinic.http.post("Patient", json=patient("Zero"))
    where = made(first)
    answers = await asyncio.gather(
        *(
            clinic.http.put(
                where,
                json=first.json() | patient(f"Number {number}"),
                headers={"If-Match": 'W/"1"'},
            )
            for number in range(100)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 99
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert (await clinic.http.get(where)).content == winner.content
    assert ok(await clinic.http.get(f"{where}/_history"))["total"] == 2


async def test_updates_at_once_make_versions_without_gaps(clinic):
    answers = await asyncio.gather(
        *(
            clinic.http.put("Patient/busy", json=patient(f"Number {number}", id="busy"))
            for number in range(20)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert sorted(version(answer) for answer in answers) == list(range(1, 21))
    past = resources(ok(await clinic.http.get("Patient/busy/_history", params={"_count": 50})))
    assert [one["meta"]["versionId"] for one in past] == [str(n) for n in range(20, 0, -1)]
    moments = [one["meta"]["lastUpdated"] for one in past]
    assert moments == sorted(moments, reverse=True)
    assert {one["name"][0]["family"] for one in past} == {f"Number {n}" for n in range(20)}
    assert ok(await clinic.http.get("Patient"))["total"] == 1


async def test_the_same_creation_at_once_is_one(clinic):
    answers = await asyncio.gather(
        *(clinic.http.put("Patient/twin", json=patient(id="twin")) for _ in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert {version(answer) for answer in answers} == {1}


async def test_time_does_not_run_backwards_within_a_record(clinic):
    clock = clinic.application.clock
    first = await clinic.http.post("Patient", json=patient("One"))
    clock.ahead -= 3_600_000_000
    try:
        second = await clinic.http.put(made(first), json=first.json() | patient("Two"))
    finally:
        clock.ahead += 3_600_000_000
    assert second.json()["meta"]["lastUpdated"] >= first.json()["meta"]["lastUpdated"]
    assert version(second) == 2


async def test_the_search_finds_what_is_now(ehr):
    first = await ehr.post("Patient", json=patient("Before-change"))
    id = first.json()["id"]
    await ehr.put(made(first), json=first.json() | patient("After-change"))
    for family, total in (("Before-change", 0), ("After-change", 1)):
        found = await ehr.get("Patient", params={"family": family, "_id": id})
        assert ok(found)["total"] == total
