"""read, vread, HEAD, conditional read. https://hl7.org/fhir/R4/http.html#read"""

from __future__ import annotations

from email.utils import formatdate, parsedate_to_datetime

import pytest

from tests.http.answers import comparable, made, ok, refused, version
from tests.http.resources import BASE, observation, patient


async def test_a_read_gives_what_the_write_gave(ehr):
    written = await ehr.post("Patient", json=patient())
    read = await ehr.get(made(written))
    assert read.status_code == 200
    assert read.content == written.content
    assert read.headers["Content-Type"] == "application/fhir+json"
    for name in ("ETag", "Last-Modified"):
        assert read.headers[name] == written.headers[name]
    body = read.json()
    assert body["meta"]["versionId"] == "1"
    moment = parsedate_to_datetime(read.headers["Last-Modified"])
    assert body["meta"]["lastUpdated"].startswith(moment.strftime("%Y-%m-%dT%H:%M:%S."))
    assert "Location" not in read.headers


async def test_each_version_is_kept_as_it_was(ehr):
    first = await ehr.post("Patient", json=patient("One"))
    where = made(first)
    second = await ehr.put(where, json=first.json() | patient("Two"))
    assert version(second) == 2
    assert (await ehr.get(f"{where}/_history/1")).content == first.content
    latest = await ehr.get(f"{where}/_history/2")
    assert latest.content == (await ehr.get(where)).content == second.content
    assert version(latest) == 2
    for missing in ("3", "0", "01", "-1", "x", "99999999999999999999", "1.0"):
        refused(await ehr.get(f"{where}/_history/{missing}"), 404, "not-found")


async def test_what_was_deleted_is_gone_and_its_versions_are_not(ehr):
    written = await ehr.post("Patient", json=patient())
    where = made(written)
    await ehr.delete(where)
    refused(await ehr.get(where), 410, "deleted")
    refused(await ehr.get(f"{where}/_history/2"), 410, "deleted")
    assert (await ehr.get(f"{where}/_history/1")).content == written.content


@pytest.mark.parametrize(
    "address",
    ["Patient/none", "Patient/none/_history/1", "Patient/none/_history", "Patient/none/$everything",
     "Patient/none/Observation", "Patient/none/*", "Patient/" + "x" * 64],
)  # fmt: skip
async def test_what_does_not_exist_is_not_found(ehr, address):
    issues = refused(await ehr.get(address), 404, "not-found")
    assert "none" not in issues[0]["diagnostics"]


@pytest.mark.parametrize(
    "address",
    ["Patient/" + "x" * 65, "Patient/a_b", "Patient/a%20b", "Patient/a%0A", "Patient/%00",
     "Patient/%D9%A1", "Patient/a%2Fb", "Patient//a", "Patient/a;b", "patient/a", "Nothing/a",
     "Nothing", "Patient/a/_history/1/2", "Patient/a/b/c/d", "$nothing", "Patient/$nothing",
     "Patient/a/$nothing", "Patient/a/Nothing", "Observation/a/Patient", "Patient/a/Practitioner",
     "Bundle", "Parameters", "OperationOutcome", "Binary/1", "Device"],
)  # fmt: skip
async def test_what_is_no_address_is_not_found(ehr, address):
    refused(await ehr.get(address), 404)


async def test_ids_differ_by_case(ehr):
    await ehr.put("Patient/Case", json=patient("Upper", id="Case"))
    refused(await ehr.get("Patient/case"), 404)
    assert made(await ehr.put("Patient/case", json=patient("Lower", id="case"))) == "Patient/case"
    assert ok(await ehr.get("Patient/Case"))["name"] == [{"family": "Upper"}]


@pytest.mark.parametrize(
    "address",
    ["{}", "{}/_history/1", "{}/_history", "Patient/_history", "_history", "Patient",
     "?_type=Patient", "Patient/none", "{}/Observation", "{}/$everything", "metadata",
     ".well-known/smart-configuration"],
)  # fmt: skip
async def test_head_is_get_without_the_body(clinic, address):
    where = made(await clinic.http.post("Patient", json=patient()))
    got = await clinic.http.get(address.format(where))
    headed = await clinic.http.head(address.format(where))
    assert headed.content == b""
    assert headed.status_code == got.status_code
    # A Bundle has an id and a timestamp of its own, always of the same length.
    for name in ("Content-Type", "Content-Length", "ETag", "Last-Modified"):
        assert headed.headers.get(name) == got.headers.get(name), name


@pytest.mark.parametrize("tag", ['W/"1"', '"1"', "1", 'W/"7", W/"1"', "*", ' W/"1" '])
@pytest.mark.parametrize("suffix", ["", "/_history/1"])
async def test_what_the_client_has_is_not_sent_again(ehr, tag, suffix):
    where = made(await ehr.post("Patient", json=patient()))
    answer = await ehr.get(where + suffix, headers={"If-None-Match": tag})
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["ETag"] == 'W/"1"'
    assert "Content-Type" not in answer.headers


@pytest.mark.parametrize("tag", ['W/"2"', '"x"', 'W/"11"', ""])
async def test_another_version_is_sent(ehr, tag):
    where = made(await ehr.post("Patient", json=patient()))
    assert (await ehr.get(where, headers={"If-None-Match": tag})).status_code == 200


async def test_changes_are_told_by_date_where_no_tag_tells_them(ehr):
    written = await ehr.post("Patient", json=patient())
    where = made(written)
    last = written.headers["Last-Modified"]
    earlier = formatdate(parsedate_to_datetime(last).timestamp() - 1, usegmt=True)

    async def status(**headers):
        names = {"since": "If-Modified-Since", "tag": "If-None-Match"}
        sent = {names[name]: value for name, value in headers.items()}
        return (await ehr.get(where, headers=sent)).status_code

    assert await status(since=last) == 304
    assert await status(since=earlier) == 200
    assert await status(since="yesterday") == 200
    assert await status(since=last, tag='W/"2"') == 200
    assert await status(since=earlier, tag='W/"1"') == 304


async def test_what_is_hidden_cannot_be_told_from_what_is_not_there(clinic):
    ehr = clinic.http
    owner = made(await ehr.post("Patient", json=patient()))
    shown = made(
        await ehr.post("Observation", json=observation(owner, category=[_category("survey")]))
    )
    hidden = made(
        await ehr.post("Observation", json=observation(owner, category=[_category("vital-signs")]))
    )
    gone = made(await ehr.post("Observation", json=observation(owner)))
    await ehr.delete(gone)
    code = "http://terminology.hl7.org/CodeSystem/observation-category|survey"
    narrow = await clinic.as_client(f"system/Observation.cruds?category={code}")
    assert (await narrow.get(shown)).status_code == 200

    last = (await ehr.get(hidden)).headers["Last-Modified"]
    for method, suffix, headers, body in (
        ("GET", "", {}, None),
        ("HEAD", "", {}, None),
        ("GET", "", {"If-None-Match": 'W/"1"'}, None),
        ("GET", "", {"If-None-Match": "*"}, None),
        ("GET", "", {"If-Modified-Since": last}, None),
        ("GET", "/_history/1", {}, None),
        ("GET", "/_history/9", {}, None),
        ("GET", "/_history", {}, None),
        ("GET", "/_history?_since=2020", {}, None),
        ("GET", "?_elements=code&_pretty=true", {}, None),
        ("POST", "/$validate", {}, {"resourceType": "Observation"}),
    ):
        for there in (hidden, gone):
            answers = [
                await narrow.request(method, f"{where}{suffix}", headers=headers, json=body)
                for where in (there, "Observation/4d5ec5a0-1ce1-4d5e-9c4b-6d8a1bd0a3de")
            ]
            first, second = map(comparable, answers)
            assert first == second, (method, suffix)
            assert first[0] == 404
            assert there.partition("/")[2] not in answers[0].text


def _category(code):
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {"coding": [{"system": system, "code": code}]}


async def test_another_clinic_s_records_are_not_there(clinic, application):
    from tests.support.application import clinic_of

    where = made(await clinic.http.put("Patient/shared-id", json=patient(id="shared-id")))
    async with clinic_of(application) as other:
        refused(await other.http.get(where), 404, "not-found")
        absolute = await other.http.get("Observation", params={"subject": f"{BASE}/{where}"})
        assert ok(absolute)["total"] == 0
        # Ids are a clinic's own: the same one is free here.
        assert made(await other.http.put(where, json=patient("Other", id="shared-id"))) == where
    assert ok(await clinic.http.get(where))["name"] == [{"family": "Costa"}]
