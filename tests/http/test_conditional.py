"""Conditions, judged inside the transaction that writes. https://hl7.org/fhir/R4/http.html#ccreate"""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest

from tests.http.answers import made, ok, refused, version
from tests.http.resources import BASE, MRN, identified, observation, patient


def condition(value):
    return {"If-None-Exist": f"identifier={MRN}|{value}"}


async def test_create_makes_what_is_not_there_yet(clinic):
    ehr = clinic.http
    first = await ehr.post("Patient", json=identified("1"), headers=condition("1"))
    where = made(first)
    again = await ehr.post(
        "Patient", json=identified("1") | {"active": True}, headers=condition("1")
    )
    assert again.status_code == 200
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["ETag"] == 'W/"1"'
    await ehr.post("Patient", json=identified("1"))
    refused(
        await ehr.post("Patient", json=identified("1"), headers=condition("1")),
        412,
        "multiple-matches",
    )
    await ehr.delete(where)
    assert (
        await ehr.post("Patient", json=identified("1"), headers=condition("1"))
    ).status_code == 200


@pytest.mark.parametrize(
    "form", ["identifier={0}", "?identifier={0}", "Patient?identifier={0}",
             BASE + "/Patient?identifier={0}"],
)  # fmt: skip
async def test_the_condition_may_be_written_as_a_query_or_an_address(clinic, form):
    first = made(await clinic.http.post("Patient", json=identified("a b")))
    header = form.format(quote(f"{MRN}|a b"))
    again = await clinic.http.post(
        "Patient", json=identified("a b"), headers={"If-None-Exist": header}
    )
    assert again.status_code == 200
    assert again.json()["id"] == first.partition("/")[2]


async def test_a_query_on_create_is_a_condition(clinic):
    address = f"Patient?identifier={MRN}|9&_format=json"
    first = made(await clinic.http.post(address, json=identified("9")))
    again = await clinic.http.post(address, json=identified("9"))
    assert (again.status_code, again.json()["id"]) == (200, first.partition("/")[2])


@pytest.mark.parametrize(
    "header", ["", "?", "nothing=1", "identifier", "_count=1", "identifier:unknown=x",
               "birthdate=someday", "Observation?code=x"],
)  # fmt: skip
async def test_a_condition_that_is_not_understood_makes_nothing(clinic, header):
    answer = await clinic.http.post("Patient", json=patient(), headers={"If-None-Exist": header})
    refused(answer, 400)
    assert ok(await clinic.http.get("Patient"))["total"] == 0


async def test_fifty_creations_at_once_make_one(clinic):
    answers = await asyncio.gather(
        *(
            clinic.http.post("Patient", json=identified("busy"), headers=condition("busy"))
            for _ in range(50)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
    assert len({answer.content for answer in answers}) == 1
    assert ok(await clinic.http.get("Patient"))["total"] == 1


async def test_conditional_updates_at_once_make_one_record(clinic):
    answers = await asyncio.gather(
        *(
            clinic.http.put(f"Patient?identifier={MRN}|busy", json=identified("busy"))
            for _ in range(20)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert ok(await clinic.http.get("Patient"))["total"] == 1


async def test_update_changes_what_it_finds_or_makes_it(clinic):
    ehr, criteria = clinic.http, f"Patient?identifier={MRN}|1"
    first = await ehr.put(criteria, json=identified("1"))
    where = made(first)
    id = where.partition("/")[2]
    second = await ehr.put(criteria, json=identified("1") | {"active": True})
    assert second.status_code == 200
    assert (second.json()["id"], version(second)) == (id, 2)
    with_id = await ehr.put(criteria, json=identified("1", id=id))
    assert (with_id.json()["id"], version(with_id)) == (id, 3)
    issues = refused(await ehr.put(criteria, json=identified("1", id="other")), 400)
    assert issues[0]["expression"] == ["Patient.id"]
    await ehr.post("Patient", json=identified("1"))
    refused(await ehr.put(criteria, json=identified("1")), 412, "multiple-matches")


async def test_update_that_finds_nothing_makes_the_id_of_the_body(clinic):
    ehr = clinic.http
    answer = await ehr.put(f"Patient?identifier={MRN}|1", json=identified("1", id="chosen"))
    assert made(answer) == "Patient/chosen"
    # An id that is taken by what the criteria do not mean is a conflict, not a victim.
    refused(await ehr.put(f"Patient?identifier={MRN}|2", json=identified("2", id="chosen")), 409)
    assert ok(await ehr.get("Patient/chosen"))["identifier"][0]["value"] == "1"


@pytest.mark.parametrize("criteria", ["", "?", "?_format=json", "?nothing=1", "?identifier="])
async def test_update_needs_a_criterion(clinic, criteria):
    refused(await clinic.http.put(f"Patient{criteria}", json=patient()), 400)


async def test_a_version_goes_with_what_the_criteria_find(clinic):
    ehr, criteria = clinic.http, f"Patient?identifier={MRN}|1"
    await ehr.put(criteria, json=identified("1"))
    changed = identified("1", active=True)
    refused(await ehr.put(criteria, json=changed, headers={"If-Match": 'W/"2"'}), 412)
    assert version(await ehr.put(criteria, json=changed, headers={"If-Match": 'W/"1"'})) == 2


async def test_conditions_see_what_the_caller_sees(clinic, application):
    """A hidden match is no match: neither told of nor given away."""
    from tests.support.application import clinic_of

    ehr = clinic.http
    hidden = made(await ehr.post("Observation", json=observation("Patient/1", identifier=[
        {"system": MRN, "value": "1"}])))  # fmt: skip
    category = {"coding": [{"system": "https://example.org/cs", "code": "mine"}]}
    narrow = await clinic.as_client("system/Observation.cruds?category=https://example.org/cs|mine")
    own = observation("Patient/1", category=[category], identifier=[{"system": MRN, "value": "1"}])
    answer = await narrow.post("Observation", json=own, headers=condition("1"))
    assert made(answer) != hidden
    assert hidden.partition("/")[2] not in answer.text
    assert (await narrow.delete(f"Observation?identifier={MRN}|1")).status_code == 204
    assert (await ehr.get(hidden)).status_code == 200
    async with clinic_of(application) as other:
        assert made(await other.http.post("Observation", json=own, headers=condition("1")))


async def test_to_ask_whether_something_is_there_needs_the_right_to_search(clinic):
    writer = await clinic.as_client("system/Patient.cud")
    made(await writer.post("Patient", json=identified("1")))
    refused(
        await writer.post("Patient", json=identified("1"), headers=condition("1")), 403, "forbidden"
    )
    criteria = f"Patient?identifier={MRN}|1"
    refused(await writer.post(criteria, json=identified("1")), 403, "forbidden")
    refused(await writer.put(criteria, json=identified("1")), 403, "forbidden")
    refused(await writer.delete(criteria), 403, "forbidden")
