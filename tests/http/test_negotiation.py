"""Media types of requests and answers. https://hl7.org/fhir/R4/http.html#mime-type"""

from __future__ import annotations

import json

import pytest

from tests.http.answers import made, ok, refused
from tests.http.resources import bundle, entry, patient

FHIR, JSON = "application/fhir+json", "application/json"


@pytest.mark.parametrize(
    "accept, answered",
    [
        (None, FHIR),
        ("", FHIR),
        ("*/*", FHIR),
        ("application/*", FHIR),
        ("application/fhir+json", FHIR),
        ("application/fhir+json; fhirVersion=4.0", FHIR),
        ("application/fhir+json; charset=utf-8", FHIR),
        ("APPLICATION/FHIR+JSON", FHIR),
        ("application/json", JSON),
        ("text/json", JSON),
        ("application/json, application/fhir+json", FHIR),
        ("application/json, application/fhir+json;q=0.9", JSON),
        ("application/fhir+xml, application/fhir+json;q=0.1", FHIR),
        ("text/html, application/xhtml+xml, */*;q=0.8", FHIR),
        ("application/json;q=0.5, */*;q=0.1", JSON),
        ("application/fhir+json;q=0, */*", JSON),
    ],
)
async def test_json_is_answered_where_it_will_do(ehr, accept, answered):
    headers = {} if accept is None else {"Accept": accept}
    request = ehr.build_request("GET", "Patient?_count=0", headers=headers)
    if accept is None:
        del request.headers["Accept"]
    answer = await ehr.send(request)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == answered


@pytest.mark.parametrize(
    "accept",
    ["application/fhir+xml", "text/html", "application/fhir+json; fhirVersion=3.0", "image/*",
     "application/fhir+json;q=0", "*/*;q=0", "application/fhir+json;q=0, application/json;q=0, */*",
     "application/fhir+turtle", "nonsense", "application/x-ndjson"],
)  # fmt: skip
async def test_nothing_else_is(ehr, accept):
    refused(await ehr.get("Patient?_count=0", headers={"Accept": accept}), 406, "not-supported")


@pytest.mark.parametrize(
    "asked, answered",
    [
        ("json", FHIR),
        ("application/json", JSON),
        ("application/fhir%2Bjson", FHIR),
        ("application/fhir+json", FHIR),  # a plus sign that nobody escaped
        ("text/json", JSON),
        ("application/fhir%2Bjson;fhirVersion=4.0", FHIR),
    ],
)
async def test_the_address_overrides_the_header(ehr, asked, answered):
    for accept in ("application/fhir+xml", "*/*"):
        answer = await ehr.get(f"Patient?_count=0&_format={asked}", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == answered
        assert ok(answer)["type"] == "searchset"


@pytest.mark.parametrize(
    "asked",
    ["xml", "application/fhir%2Bxml", "text/xml", "html", "ttl", "application/fhir%2Bturtle"],
)
async def test_the_address_may_ask_for_what_is_not_there(ehr, asked):
    refused(await ehr.get(f"Patient?_count=0&_format={asked}"), 406)
    refused(await ehr.get(f"Patient?_count=0&_format={asked}", headers={"Accept": FHIR}), 406)


async def test_a_posted_search_may_ask_in_its_form(ehr):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await ehr.post(
        "Patient/_search", content="_count=0&_format=application/json", headers=form
    )
    assert answer.headers["Content-Type"] == JSON
    assert (
        b"\n"
        in (
            await ehr.post("Patient/_search", content="_count=0&_pretty=true", headers=form)
        ).content
    )
    refused(await ehr.post("Patient/_search", content="_format=xml", headers=form), 406)


@pytest.mark.parametrize(
    "content_type",
    [FHIR, JSON, f"{FHIR}; charset=utf-8", f"{JSON};charset=UTF-8", f"{FHIR}; fhirVersion=4.0",
     "Application/FHIR+JSON", "text/json", f'{FHIR}; charset="utf-8"'],
)  # fmt: skip
async def test_bodies_come_as_json(ehr, content_type):
    text = json.dumps(patient())
    headers = {"Content-Type": content_type}
    where = made(await ehr.post("Patient", content=text, headers=headers))
    changed = json.dumps(patient("Other", id=where.partition("/")[2]))
    ok(await ehr.put(where, content=changed, headers=headers))
    ok(await ehr.post("", content=json.dumps(bundle("batch")), headers=headers))
    ok(await ehr.post("Patient/$validate", content=text, headers=headers))


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/fhir+xml", "application/x-www-form-urlencoded",
     "multipart/form-data; boundary=x", f"{JSON}; charset=utf-16", f"{FHIR}; charset=latin-1",
     f"{FHIR}; fhirVersion=3.0", "application/json-patch+json", "application/xml", "*/*"],
)  # fmt: skip
async def test_other_bodies_do_not_count(ehr, content_type):
    for method, address in (
        ("POST", "Patient"), ("PUT", "Patient/typed"), ("POST", ""), ("POST", "Patient/$validate"),
    ):  # fmt: skip
        request = ehr.build_request(method, address, content=json.dumps(patient(id="typed")))
        del request.headers["Content-Type"]
        if content_type is not None:
            request.headers["Content-Type"] = content_type
        refused(await ehr.send(request), 415, "not-supported")
    refused(await ehr.get("Patient/typed"), 404)


@pytest.mark.parametrize(
    "content_type", [FHIR, JSON, "text/plain", "multipart/form-data; boundary=x"]
)
async def test_a_search_is_posted_as_a_form(ehr, content_type):
    answer = await ehr.post(
        "Patient/_search", content="_count=0", headers={"Content-Type": content_type}
    )
    refused(answer, 415)


async def test_a_posted_search_takes_the_address_and_the_form_together(clinic):
    ehr = clinic.http
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for family, gender in (("Abel", "male"), ("Abel", "female"), ("Bor", "female")):
        await ehr.post("Patient", json=patient(family, gender=gender))
    for address in ("Patient/_search", "_search?_type=Patient"):
        both = await ehr.post(
            address + ("&" if "?" in address else "?") + "_sort=_id",
            content="gender=female&family=Abel" if "Patient/" in address else "_id:not=none",
            headers=form,
        )
        assert ok(both)["total"] == (1 if "Patient/" in address else 3)
    one = await ehr.post("Patient/_search?gender=female", content="family=Abel", headers=form)
    assert ok(one)["total"] == 1
    assert one.json()["link"][0]["url"].endswith("Patient?gender=female&family=Abel")
    assert ok(await ehr.post("Patient/_search?gender=female"))["total"] == 2
    strict = {**form, "Prefer": "handling=strict"}
    refused(await ehr.post("Patient/_search", content="nothing=1", headers=strict), 400)
    refused(await ehr.post("Patient/_search", content=b"family=%ff", headers=form), 400)


@pytest.mark.parametrize("address", ["", "/_history/1", "/_history", "/$everything"])
async def test_pretty_is_for_people(ehr, address):
    where = made(await ehr.post("Patient", json=patient()))
    plain = await ehr.get(where + address)
    pretty = await ehr.get(f"{where}{address}?_pretty=true")
    assert b"\n" in pretty.content
    assert b"\n" not in plain.content
    if "history" not in address and "$" not in address:
        assert pretty.json() == plain.json()
        assert (await ehr.get(f"{where}?_pretty=false")).content == plain.content


async def test_pretty_keeps_the_digits(ehr):
    body = (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":1.500000000000000000000000001}}'
    )
    where = made(await ehr.post("Observation", content=body))
    for shape in ("_pretty=true", "_elements=value", "_summary=data"):
        assert b"1.500000000000000000000000001" in (await ehr.get(f"{where}?{shape}")).content


async def test_a_part_of_a_resource(ehr):
    full = patient(
        gender="female",
        birthDate="1990-05-01",
        text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">A</div>'},
        photo=[{"url": "https://example.org/a.png"}],
    )
    where = made(await ehr.post("Patient", json=full))

    async def keys(query):
        body = ok(await ehr.get(f"{where}?{query}"))
        tags = [tag["code"] for tag in body["meta"].get("tag", [])]
        return set(body) - {"resourceType", "id", "meta"}, tags

    whole = {"name", "gender", "birthDate", "text", "photo"}
    assert await keys("_elements=birthDate") == ({"birthDate"}, ["SUBSETTED"])
    assert await keys("_elements=gender,%20name") == ({"gender", "name"}, ["SUBSETTED"])
    assert await keys("_elements=Patient.gender") == ({"gender"}, ["SUBSETTED"])
    assert await keys("_summary=true") == ({"name", "gender", "birthDate"}, ["SUBSETTED"])
    assert await keys("_summary=text") == ({"text"}, ["SUBSETTED"])
    assert await keys("_summary=data") == (whole - {"text"}, ["SUBSETTED"])
    assert await keys("_summary=false") == (whole, [])
    assert await keys("_elements=") == (whole, [])
    refused(await ehr.get(f"{where}?_summary=some"), 400, "value")
    id = where.partition("/")[2]
    for address in (f"Patient?_id={id}&", f"{where}/_history?", f"{where}/$everything?"):
        one = ok(await ehr.get(f"{address}_elements=birthDate"))["entry"][0]["resource"]
        assert set(one) == {"resourceType", "id", "meta", "birthDate"}, address
    batch = ok(await ehr.post("", json=bundle("batch", entry("GET", f"{where}?_elements=gender"))))
    assert "birthDate" not in batch["entry"][0]["resource"]
    # What is stored stays whole.
    assert (await ehr.get(where)).json()["birthDate"] == "1990-05-01"


async def test_less_may_be_preferred(ehr):
    minimal = {"Prefer": "return=minimal"}
    made_ = await ehr.post("Patient", json=patient(), headers=minimal)
    where = made(made_)
    assert made_.content == b""
    assert "Content-Type" not in made_.headers
    assert made_.headers["ETag"] == 'W/"1"'
    changed = patient("Other", id=where.partition("/")[2])
    answer = await ehr.put(where, json=changed, headers=minimal)
    assert (answer.status_code, answer.content) == (200, b"")
    outcome = await ehr.put(
        where, json=changed | {"active": True}, headers={"Prefer": "return=OperationOutcome"}
    )
    assert ok(outcome)["resourceType"] == "OperationOutcome"
    assert outcome.headers["ETag"] == 'W/"3"'
    for prefer in (
        "return=representation", "return=nothing", "respond-async",
        "handling=strict, return=representation",
        'handling="strict";return="representation"',
    ):  # fmt: skip
        answer = await ehr.put(where, json=changed, headers={"Prefer": prefer})
        assert ok(answer)["resourceType"] == "Patient"
    # A refusal says why, whatever was preferred.
    refused(await ehr.post("Patient", json=patient(gender="f"), headers=minimal), 422)


async def test_handling_may_be_strict(ehr):
    lenient = ok(await ehr.get("Patient?nothing=1&_count=1"))
    notes = [one for one in lenient["entry"] if one["search"]["mode"] == "outcome"]
    assert notes[0]["resource"]["issue"][0]["severity"] == "warning"
    refused(await ehr.get("Patient?nothing=1", headers={"Prefer": "handling=strict"}), 400)
    refused(
        await ehr.get(
            "Patient/_history?nothing=1",
            headers={"Prefer": "return=minimal; handling=strict"},
        ),
        400,
    )
    assert ok(await ehr.get("Patient/_history?nothing=1&_count=0"))
    assert ok(await ehr.get("Patient?_totalMethod=count&_count=0"))["total"] >= 0


async def test_the_capability_statement_is_negotiated_too(client):
    for accept, status in (("application/json", 200), ("*/*", 200), ("application/fhir+xml", 406)):
        answer = await client.get("/fhir/metadata", headers={"Accept": accept})
        assert answer.status_code == status
    assert (await client.get("/fhir/metadata?_format=xml")).status_code == 406
    pretty = await client.get("/fhir/metadata?_pretty=true&_format=json")
    assert b"\n" in pretty.content
    part = (await client.get("/fhir/metadata?_elements=fhirVersion")).json()
    assert "rest" not in part
    assert part["fhirVersion"] == "4.0.1"
