"""history of an instance, a type, the system. https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

import pytest

from tests.http.answers import made, ok, refused, resources
from tests.http.resources import BASE, bundle, entry, identified, observation, patient


async def grown(client, family="Grown", versions=5):
    """A patient with so many versions."""
    answer = await client.post("Patient", json=patient(f"{family} 1"))
    where = made(answer)
    for number in range(2, versions + 1):
        answer = await client.put(where, json=answer.json() | patient(f"{family} {number}"))
    return where


async def pages(client, address):
    """Every page from the first on, by the links alone."""
    found = [ok(await client.get(address))]
    while following := links(found[-1]).get("next"):
        found.append(ok(await client.get(following)))
    return found


def links(bundle):
    return {link["relation"]: link["url"] for link in bundle.get("link", ())}


async def test_versions_come_newest_first(ehr):
    where = await grown(ehr, versions=3)
    await ehr.delete(where)
    body = ok(await ehr.get(f"{where}/_history"))
    assert body["type"] == "history"
    assert body["total"] == 4
    assert [one["response"]["etag"] for one in body["entry"]] == [f'W/"{n}"' for n in (4, 3, 2, 1)]
    assert [one["request"]["method"] for one in body["entry"]] == ["DELETE", "PUT", "PUT", "POST"]
    assert [one["request"]["url"] for one in body["entry"]] == [where, where, where, "Patient"]
    assert [one["response"]["status"][:3] for one in body["entry"]] == ["204", "200", "200", "201"]
    assert {one["fullUrl"] for one in body["entry"]} == {f"{BASE}/{where}"}
    assert "resource" not in body["entry"][0]
    for one in body["entry"][1:]:
        number = one["resource"]["meta"]["versionId"]
        stored = await ehr.get(f"{where}/_history/{number}")
        assert one["resource"] == stored.json()
        assert one["response"]["lastModified"] == one["resource"]["meta"]["lastUpdated"]


async def test_a_chosen_id_was_made_by_put(ehr):
    await ehr.put("Patient/history-put", json=patient(id="history-put"))
    one = ok(await ehr.get("Patient/history-put/_history"))["entry"][0]
    assert one["request"] == {"method": "PUT", "url": "Patient/history-put"}
    assert one["response"]["status"].startswith("201")


async def test_pages_hold_every_version_once(ehr):
    where = await grown(ehr, versions=7)
    found = await pages(ehr, f"{where}/_history?_count=3")
    assert [len(page["entry"]) for page in found] == [3, 3, 1]
    assert {page["total"] for page in found} == {7}
    versions = [one["meta"]["versionId"] for page in found for one in resources(page)]
    assert versions == [str(number) for number in range(7, 0, -1)]
    assert links(found[0])["self"].startswith(f"{BASE}/{where}/_history")


async def test_pages_stay_while_others_write(ehr):
    where = await grown(ehr, versions=4)
    first = ok(await ehr.get(f"{where}/_history?_count=2"))
    await ehr.put(where, json=patient("Later", id=where.partition("/")[2]))
    second = ok(await ehr.get(links(first)["next"]))
    versions = [one["meta"]["versionId"] for page in (first, second) for one in resources(page)]
    assert versions == ["4", "3", "2", "1"]


async def test_no_entries_but_their_number(ehr):
    where = await grown(ehr, versions=3)
    body = ok(await ehr.get(f"{where}/_history?_count=0"))
    assert body["total"] == 3
    assert "entry" not in body
    assert "next" not in links(body)


async def test_since_a_moment_or_at_one(clinic):
    ehr, clock = clinic.http, clinic.application.clock
    moments = []
    answer = await ehr.post("Patient", json=patient("1"))
    where = made(answer)
    moments.append(answer.json()["meta"]["lastUpdated"])
    for number in (2, 3):
        clock.turn(seconds=10)
        answer = await ehr.put(where, json=answer.json() | patient(str(number)))
        moments.append(answer.json()["meta"]["lastUpdated"])

    async def versions(query, address=f"{where}/_history"):
        body = ok(await ehr.get(f"{address}?{query}"))
        assert body["total"] == len(body.get("entry", ()))
        return [one["meta"]["versionId"] for one in resources(body)]

    first, second, third = moments
    assert await versions(f"_since={first}") == ["3", "2", "1"]
    assert await versions(f"_since={second}") == ["3", "2"]
    assert await versions(f"_since={third}") == ["3"]
    assert await versions("_since=2100-01-01T00:00:00Z") == []
    assert await versions(f"_at={first}") == ["1"]
    assert await versions(f"_at={second}") == ["2"]
    assert await versions("_at=2100-01-01") == ["3"]
    assert await versions("_at=2000-01-01") == []
    assert await versions(f"_at={first[:4]}") == ["3", "2", "1"]
    for address in ("Patient/_history", "_history"):
        assert (await versions(f"_since={second}&_type=Patient", address))[:2] == ["3", "2"]
    since = f"{where}/_history?_count=1&_since={second}"
    assert [page["total"] for page in await pages(ehr, since)] == [2, 2]


@pytest.mark.parametrize(
    "query", ["_count=-1", "_count=x", "_count=1.5", "_count=%D9%A1", "_since=yesterday", "_since=",
              "_at=never", "_cursor=x", "_cursor=", "_since=2026-13-01"],
)  # fmt: skip
async def test_what_is_no_value_is_refused_or_nothing(ehr, query):
    where = await grown(ehr, versions=1)
    answer = await ehr.get(f"{where}/_history?{query}")
    if query.endswith("="):  # an empty parameter says nothing
        assert ok(answer)["total"] == 1
    else:
        refused(answer, 400)


async def test_a_page_link_is_for_its_caller_and_its_history(clinic):
    ehr = clinic.http
    where = await grown(ehr, versions=3)
    other = await grown(ehr, versions=3)
    token = links(ok(await ehr.get(f"{where}/_history?_count=1")))["next"].partition("_cursor=")[2]
    assert len(resources(ok(await ehr.get(f"{where}/_history?_count=1&_cursor={token}")))) == 1
    for address in (f"{other}/_history", "Patient/_history", "_history"):
        refused(await ehr.get(f"{address}?_count=1&_cursor={token}"), 400)
    refused(await ehr.get(f"{where}/_history?_count=1&_cursor={token[:-2]}AA"), 400)
    colleague = await clinic.as_client("system/*.rs")
    refused(await colleague.get(f"{where}/_history?_count=1&_cursor={token}"), 400)


async def test_the_history_of_a_type_and_of_the_system(clinic):
    ehr = clinic.http
    where = await grown(ehr, "Typed", versions=2)
    score = made(await ehr.post("Observation", json=observation(where)))
    await ehr.delete(score)
    typed = ok(await ehr.get("Patient/_history"))
    assert [one["fullUrl"] for one in typed["entry"]] == [f"{BASE}/{where}"] * 2
    system = ok(await ehr.get("_history?_count=4"))
    assert [one["fullUrl"] for one in system["entry"]] == (
        [f"{BASE}/{score}"] * 2 + [f"{BASE}/{where}"] * 2
    )
    assert system["total"] > 4  # the clinic's instruments came before
    every = await pages(ehr, "_history?_count=50")
    seen = [(one["fullUrl"], one["response"]["etag"]) for page in every for one in page["entry"]]
    assert len(seen) == len(set(seen)) == every[0]["total"]


async def test_a_transaction_s_versions_are_in_the_history(clinic):
    sent = bundle(
        "transaction",
        *(entry("POST", "Patient", identified(str(number))) for number in range(3)),
    )
    ok(await clinic.http.post("", json=sent))
    body = ok(await clinic.http.get("Patient/_history"))
    assert body["total"] == 3
    assert {one["request"]["method"] for one in body["entry"]} == {"POST"}


async def test_history_shows_what_the_caller_sees(clinic):
    ehr = clinic.http
    owner = await grown(ehr, versions=2)
    await ehr.post("Observation", json=observation(owner))
    narrow = await clinic.as_client("system/Observation.rs")
    body = ok(await narrow.get("_history"))
    assert body["total"] == 1
    assert body["entry"][0]["resource"]["resourceType"] == "Observation"
    refused(await narrow.get("Patient/_history"), 403, "forbidden")
    refused(await narrow.get(f"{owner}/_history"), 403, "forbidden")
    # Instance history is reading, the others are searching.
    reader = await clinic.as_client("system/Patient.r")
    assert ok(await reader.get(f"{owner}/_history"))["total"] == 2
    refused(await reader.get("Patient/_history"), 403, "forbidden")
    refused(await reader.get("_history"), 403, "forbidden")


async def test_the_past_of_a_record_follows_whose_it_is_now(clinic):
    """Who may not see a record today finds none of its versions."""
    ehr = clinic.http
    mine = {"coding": [{"system": "https://example.org/cs", "code": "mine"}]}
    first = await ehr.post("Observation", json=observation("Patient/1", category=[mine]))
    where = made(first)
    narrow = await clinic.as_client("system/Observation.rs?category=https://example.org/cs|mine")
    assert ok(await narrow.get(f"{where}/_history"))["total"] == 1
    await ehr.put(where, json=observation("Patient/1", id=where.partition("/")[2]))
    refused(await narrow.get(f"{where}/_history"), 404, "not-found")
    refused(await narrow.get(f"{where}/_history/1"), 404, "not-found")
    assert ok(await narrow.get("Observation/_history"))["total"] == 0


async def test_the_log_has_no_history(ehr):
    for address in ("AuditEvent/_history", "AuditEvent/1/_history"):
        refused(await ehr.get(address), 405, "not-supported")
