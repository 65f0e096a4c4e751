"""transaction: all or nothing. https://hl7.org/fhir/R4/http.html#trules"""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from tests.http.answers import made, ok, refused, resources
from tests.http.resources import (
    BASE,
    MRN,
    bundle,
    encounter,
    entry,
    episode,
    identified,
    observation,
    patient,
    pulse,
    urn,
)  # fmt: skip


async def send(client, *entries, **headers):
    return await client.post("", json=bundle("transaction", *entries), headers=headers)


def statuses(answer):
    return [one["response"]["status"][:3] for one in answer["entry"]]


def location(one):
    """``Type/id`` of what an entry of the answer names."""
    return one["response"]["location"].split("/fhir/")[1].split("/_history/")[0]


async def total(client, type_name):
    return ok(await client.get(type_name))["total"]


async def test_placeholders_become_addresses(clinic):
    ehr = clinic.http
    anna, course, visit = urn(), urn(), urn()
    narrative = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{anna}">Anna</a></div>'
    answer = ok(
        await send(
            ehr,
            entry("POST", "Observation", observation(
                anna,
                encounter={"reference": visit},
                text={"status": "generated", "div": narrative},
                extension=[{"url": "https://example.org/e", "valueUri": course},
                           {"url": "https://example.org/s", "valueString": course}],
                identifier=[{"system": "urn:ietf:rfc:3986", "value": anna}],
            )),
            entry("POST", "Encounter", encounter(anna, episodeOfCare=[{"reference": course}]),
                  full_url=visit),
            entry("POST", "EpisodeOfCare", episode(anna), full_url=course),
            entry("POST", "Patient", patient(), full_url=anna),
        )
    )  # fmt: skip
    assert answer["type"] == "transaction-response"
    assert statuses(answer) == ["201"] * 4
    score, session, care, person = map(location, answer["entry"])
    assert [where.partition("/")[0] for where in (score, session, care, person)] == [
        "Observation", "Encounter", "EpisodeOfCare", "Patient",
    ]  # fmt: skip
    stored = ok(await ehr.get(score))
    assert stored == answer["entry"][0]["resource"]
    assert stored["subject"] == {"reference": person}
    assert stored["encounter"] == {"reference": session}
    assert f'href="{person}"' in stored["text"]["div"]
    assert stored["extension"][0]["valueUri"] == care
    # A text or a number that looks the same is no link.
    assert stored["extension"][1]["valueString"] == course
    assert stored["identifier"][0]["value"] == anna
    assert ok(await ehr.get(session))["episodeOfCare"] == [{"reference": care}]
    assert ok(await ehr.get(f"{person}/*"))["total"] == 4


async def test_links_to_entries_work_in_every_form(clinic):
    """https://hl7.org/fhir/R4/bundle.html#references"""
    ehr = clinic.http
    theirs = "https://ehr.example.org/r4"
    answer = ok(
        await send(
            ehr,
            entry("POST", "Patient", patient("Theirs"), full_url=f"{theirs}/Patient/7"),
            # relative, from an entry of the same server
            entry("POST", "Observation", observation("Patient/7"),
                  full_url=f"{theirs}/Observation/1"),
            # absolute
            entry("POST", "Observation", observation(f"{theirs}/Patient/7"), full_url=urn()),
            # relative, but to this server: another Patient/7
            entry("POST", "Observation", observation("Patient/7"), full_url=urn()),
            entry("POST", "Observation", observation("Patient/7")),
            entry("PUT", "Patient/8", patient("Ours", id="8"), full_url=f"{BASE}/Patient/8"),
            entry("POST", "Observation", observation(f"{BASE}/Patient/8")),
        )
    )  # fmt: skip
    person = location(answer["entry"][0])
    subjects = [one["subject"]["reference"] for one in resources(answer) if "subject" in one]
    assert subjects[:4] == [person, person, "Patient/7", "Patient/7"]
    assert subjects[4] == "Patient/8"
    assert ok(await ehr.get(f"{person}/Observation"))["total"] >= 2


async def test_the_order_is_the_specification_s(clinic):
    """DELETE, POST, PUT and PATCH, GET, whatever the order of the entries."""
    ehr = clinic.http
    old = made(await ehr.post("Patient", json=identified("1")))
    kept = made(await ehr.post("Patient", json=identified("2")))
    answer = ok(
        await send(
            ehr,
            entry("GET", "Patient?_summary=count"),
            entry("GET", kept),
            entry("PUT", kept, identified("2", id=kept.partition("/")[2], active=True)),
            entry("POST", "Patient", identified("1"), ifNoneExist=f"identifier={MRN}|3"),
            entry("DELETE", old),
        )
    )
    assert statuses(answer) == ["200", "200", "200", "201", "204"]
    counted, read, changed, created, deleted = answer["entry"]
    assert counted["resource"]["total"] == 2
    assert read["resource"] == changed["resource"]
    assert read["resource"]["active"] is True
    assert created["resource"]["meta"]["versionId"] == "1"
    assert "resource" not in deleted


async def test_one_wrong_entry_undoes_them_all(clinic):
    ehr = clinic.http
    where = made(await ehr.post("Patient", json=identified("1")))
    id = where.partition("/")[2]
    before = (await ehr.get(where)).content
    good = [
        entry("POST", "Patient", identified("2")),
        entry("PUT", where, identified("1", id=id, active=True)),
        entry("DELETE", f"Patient?identifier={MRN}|1"),
    ]
    for bad, status in (
        (entry("POST", "Patient", patient(gender="f")), 422),
        (entry("GET", "Patient/none"), 404),
        (entry("PUT", "Patient/none", patient(id="none"), ifMatch='W/"1"'), 412),
        (entry("DELETE", "AuditEvent/1"), 405),
        (entry("POST", "QuestionnaireResponse", pulse(3, 3, 3, 3, 9)), 422),
        (entry("GET", "Patient?birthdate=someday"), 400),
        (entry("POST", "Observation", observation(f"Patient?identifier={MRN}|none")), 412),
        ({"request": {"method": "POST", "url": "Patient"}}, 422),
    ):
        for entries in ([*good[:2], bad], [bad, *good[:2]], [good[0], bad, good[2]]):
            issues = refused(await send(ehr, *entries), status)
            place = entries.index(bad)
            for issue in issues:
                assert issue["expression"][0].startswith(f"Bundle.entry[{place}]"), issue
    assert await total(ehr, "Patient") == 1
    assert (await ehr.get(where)).content == before
    assert ok(await ehr.get(f"{where}/_history"))["total"] == 1


async def test_every_problem_of_every_entry_is_told_at_once(ehr):
    issues = refused(
        await send(
            ehr,
            entry("POST", "Patient", patient(gender="f", birthDate="x")),
            entry("POST", "Patient", patient()),
            entry("POST", "Observation", {"resourceType": "Observation", "status": "final"}),
        ),
        422,
    )
    assert {place for issue in issues for place in issue["expression"]} == {
        "Bundle.entry[0].resource.gender",
        "Bundle.entry[0].resource.birthDate",
        "Bundle.entry[2].resource.code",
    }


async def test_one_resource_is_written_once(clinic):
    ehr = clinic.http
    where = made(await ehr.post("Patient", json=identified("1")))
    id = where.partition("/")[2]
    put = entry("PUT", where, identified("1", id=id, active=True))
    by_condition = entry("PUT", f"Patient?identifier={MRN}|1", identified("1"))
    delete = entry("DELETE", where)
    twice = urn()
    for entries in (
        [put, put], [put, delete], [put, by_condition], [by_condition, delete],
        [by_condition, by_condition], [delete, delete],
        [entry("POST", "Patient", identified("1"), ifNoneExist=f"identifier={MRN}|1"), delete],
        [entry("POST", "Patient", patient(), full_url=twice)] * 2,
        [entry("PUT", "Patient/new", patient(id="new"))] * 2,
    ):  # fmt: skip
        issues = refused(await send(ehr, *entries), 400, "duplicate")
        assert issues[0]["expression"][0].startswith("Bundle.entry[1]")
    assert ok(await ehr.get(f"{where}/_history"))["total"] == 1


async def test_a_condition_gives_its_entry_an_identity(clinic):
    ehr = clinic.http
    known = made(await ehr.post("Patient", json=identified("known")))
    one, two, three, four = urn(), urn(), urn(), urn()

    def of(value):
        return f"identifier={MRN}|{value}"

    answer = ok(
        await send(
            ehr,
            entry("POST", "Patient", identified("known"), full_url=one, ifNoneExist=of("known")),
            entry("POST", "Patient", identified("new"), full_url=two, ifNoneExist=of("new")),
            entry("PUT", f"Patient?{of('put')}", identified("put"), full_url=three),
            entry("POST", "Patient", identified("new"), full_url=four, ifNoneExist=of("new")),
            *(entry("POST", "Observation", observation(link)) for link in (one, two, three, four)),
        )
    )
    assert statuses(answer)[:4] == ["200", "201", "201", "200"]
    people = [location(each) for each in answer["entry"][:4]]
    assert people[0] == known
    assert people[1] == people[3]
    assert len(set(people)) == 3
    for person, each in zip(people, answer["entry"][4:], strict=True):
        assert each["resource"]["subject"] == {"reference": person}
        assert (await ehr.get(person)).status_code == 200
    assert await total(ehr, "Patient") == 3


async def test_references_by_search(clinic):
    ehr = clinic.http
    person = made(await ehr.post("Patient", json=identified("1")))
    by_search = f"Patient?identifier={MRN}|1"
    answer = ok(await send(ehr, entry("POST", "Observation", observation(by_search))))
    assert answer["entry"][0]["resource"]["subject"] == {"reference": person}
    # What the same transaction makes can be meant.
    answer = ok(
        await send(
            ehr,
            entry("POST", "Observation", observation(f"Patient?identifier={MRN}|2")),
            entry("POST", "Patient", identified("2")),
        )
    )
    assert answer["entry"][0]["resource"]["subject"] == {"reference": location(answer["entry"][1])}
    refused(
        await send(ehr, entry("POST", "Observation", observation(f"Patient?identifier={MRN}|3"))),
        412,
    )
    await ehr.post("Patient", json=identified("1"))
    issues = refused(
        await send(ehr, entry("POST", "Observation", observation(by_search))),
        412,
        "multiple-matches",
    )
    assert issues[0]["expression"] == ["Bundle.entry[0].resource.subject.reference"]
    for wrong in ("Patient?nothing=1", "Patient?", "Nothing?a=b", "Patient?birthdate=someday"):
        answer = await send(ehr, entry("POST", "Observation", observation(wrong)))
        assert 400 <= answer.status_code < 500
        refused(answer, answer.status_code)
    # Outside of a transaction a reference names its target.
    refused(await ehr.post("Observation", json=observation(by_search)), 422)


async def test_a_link_must_lead_to_a_type_that_may_be_there(ehr):
    course = urn()
    issues = refused(
        await send(
            ehr,
            entry("POST", "EpisodeOfCare", episode("Patient/1"), full_url=course),
            entry("POST", "Observation", observation(course)),
        ),
        422,
    )
    assert issues[0]["expression"][0].startswith("Bundle.entry[1].resource.subject")


async def test_patches_are_part_of_it(clinic):
    ehr = clinic.http
    where = made(await ehr.post("Observation", json=observation("Patient/1")))
    person = urn()
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Observation.subject"},
        {"name": "value", "valueReference": {"reference": person}},
    ]
    change = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    answer = ok(
        await send(
            ehr,
            entry("PATCH", where, change),
            entry("POST", "Patient", patient(), full_url=person),
        )
    )
    assert statuses(answer) == ["200", "201"]
    assert answer["entry"][0]["resource"]["subject"] == {"reference": location(answer["entry"][1])}
    bad = base64.b64encode(json.dumps([{"op": "remove", "path": "/none"}]).encode()).decode()
    binary = {
        "resourceType": "Binary", "contentType": "application/json-patch+json", "data": bad,
    }  # fmt: skip
    refused(
        await send(
            ehr, entry("PATCH", where, binary), entry("POST", "Patient", identified("undone"))
        ),
        422,
    )
    assert await total(ehr, "Patient") == 1


async def test_operations_that_only_look_are_part_of_it(ehr):
    person = made(await ehr.post("Patient", json=patient()))
    answer = ok(
        await send(
            ehr,
            entry("GET", f"{person}/$everything"),
            entry("POST", "Observation", observation(person)),
        )
    )
    assert statuses(answer) == ["200", "201"]
    assert answer["entry"][0]["resource"]["total"] == 2


async def test_an_empty_transaction_does_nothing(ehr):
    answer = ok(await send(ehr))
    assert answer["type"] == "transaction-response"
    assert "entry" not in answer


async def test_less_is_sent_back_where_less_is_preferred(ehr):
    answer = ok(await send(ehr, entry("POST", "Patient", patient()), Prefer="return=minimal"))
    assert "resource" not in answer["entry"][0]
    assert (await ehr.get(location(answer["entry"][0]))).status_code == 200


async def test_every_entry_needs_its_right(clinic):
    where = made(await clinic.http.post("Patient", json=patient()))
    client = await clinic.as_client("system/Patient.crs")
    issues = refused(
        await send(client, entry("POST", "Patient", identified("1")), entry("DELETE", where)),
        403,
        "forbidden",
    )
    assert issues[0]["expression"][0].startswith("Bundle.entry[1]")
    assert await total(clinic.http, "Patient") == 1


async def test_hidden_records_are_not_meant_by_a_reference(clinic):
    made(await clinic.http.post("Patient", json=identified("1")))
    client = await clinic.as_client("system/Observation.cruds system/Patient.rs?gender=female")
    answers = [
        await send(
            client, entry("POST", "Observation", observation(f"Patient?identifier={MRN}|{n}"))
        )
        for n in ("1", "2")
    ]
    assert answers[0].json() == answers[1].json()
    refused(answers[0], 412)


async def test_five_hundred_entries(clinic):
    ehr = clinic.http
    people = [urn() for _ in range(100)]
    entries = [entry("POST", "Patient", identified(link[9:]), full_url=link) for link in people]
    entries += [entry("POST", "Observation", observation(link)) for link in people * 4]
    answer = ok(await send(ehr, *entries))
    assert len(answer["entry"]) == 500
    assert set(statuses(answer)) == {"201"}
    first = location(answer["entry"][0])
    assert ok(await ehr.get(f"{first}/Observation"))["total"] == 4
    refused(await send(ehr, *entries, entries[0]), 413, "too-long")
    # One mistake at the end undoes the five hundred.
    entries[-1] = entry("GET", "Patient/none")
    refused(await send(ehr, *entries), 404)
    assert await total(ehr, "Patient") == 100


async def test_the_same_transactions_at_once_make_one_of_each(clinic):
    """Types in another order each time, so that no two may wait for each other."""

    def twins(turn):
        entries = [
            entry("POST", "Patient", identified("1"), ifNoneExist=f"identifier={MRN}|1"),
            entry("POST", "Organization", {"resourceType": "Organization", "name": "House",
                  "identifier": [{"system": MRN, "value": "1"}]},
                  ifNoneExist=f"identifier={MRN}|1"),
            entry("PUT", "Practitioner/one", {"resourceType": "Practitioner", "id": "one"}),
            entry("PUT", "Practitioner/two", {"resourceType": "Practitioner", "id": "two"}),
        ]  # fmt: skip
        return entries if turn % 2 else entries[::-1]

    answers = await asyncio.gather(*(send(clinic.http, *twins(turn)) for turn in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    for name in ("Patient", "Organization"):
        assert await total(clinic.http, name) == 1


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_numbers_in_entries_keep_their_digits(clinic, method):
    value = "1.50000000000000000000000001"
    resource = json.dumps(observation("Patient/1", "%", id="digits")).replace('"%"', value)
    url = "Observation" if method == "POST" else "Observation/digits"
    body = (
        '{"resourceType":"Bundle","type":"transaction","entry":[{"resource":'
        + resource
        + f',"request":{{"method":"{method}","url":"{url}"}}}}]}}'
    )
    answer = await clinic.http.post("", content=body)
    assert answer.status_code == 200, answer.text
    assert value.encode() in answer.content
    where = location(answer.json()["entry"][0])
    assert value.encode() in (await clinic.http.get(where)).content


async def test_a_transaction_is_in_the_log_with_its_entries(clinic):
    ok(
        await send(
            clinic.http,
            entry("POST", "Patient", patient()),
            entry("GET", "Patient?_count=1"),
        )
    )
    refused(await send(clinic.http, entry("GET", "Patient/none")), 404)
    auditor = await clinic.as_client("system/AuditEvent.rs", role="auditor")

    async def outcomes(subtype):
        found = resources(ok(await auditor.get("AuditEvent", params={"subtype": subtype})))
        return sorted(one["outcome"] for one in found)

    assert await outcomes("search-type") == ["0"]  # before the auditor's own are there
    assert await outcomes("transaction") == ["0", "4"]
    assert await outcomes("create") == ["0"]


async def test_transactions_that_name_each_other_s_resources_do_not_wait_for_each_other(clinic):
    """What one deletes the other writes: held in one order, neither is turned away."""
    ids = [urn().rpartition(":")[2] for _ in range(8)]
    for id in ids:
        await clinic.http.put(f"Patient/{id}", json=patient(id=id))

    async def crossing(first, second):
        ends = [entry("DELETE", f"Patient/{id}") for id in first]
        makes = [entry("PUT", f"Patient/{id}", patient(id=id)) for id in second]
        return await send(clinic.http, *ends, *makes)

    for _ in range(4):
        answers = await asyncio.gather(
            *(crossing(*halves) for halves in ((ids[:4], ids[4:]), (ids[4:], ids[:4])) * 3)
        )
        assert [answer.status_code for answer in answers] == [200] * 6
