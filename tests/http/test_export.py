"""``$export``: https://hl7.org/fhir/uv/bulkdata/export. Asked for, prepared, fetched, ended."""

from __future__ import annotations

import asyncio
import json
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import pytest
from fhir.resources.R4B.bundle import Bundle

from app.services import exports
from tests.http.answers import comparable, made, ok, refused
from tests.http.resources import observation, patient
from tests.support.application import Clinic, clinic_of
from tests.support.exports import (
    below,
    exported,
    kick_off,
    lines,
    manifest,
    named,
    prepared,
    started,
)
from tests.support.staff import signed_in


@pytest.fixture
async def people(clinic: Clinic) -> list[str]:
    """Three patients with an Observation each."""
    found = []
    for name in ("Amsel", "Berg", "Costa"):
        who = made(await clinic.http.post("Patient", json=patient(name)))
        made(await clinic.http.post("Observation", json=observation(who)))
        found.append(who)
    await clinic.settle()
    return found


async def test_the_walk_of_an_export(clinic: Clinic, people):
    answer = await kick_off(clinic.http, "$export?_type=Patient,Observation")
    assert answer.status_code == 202
    assert answer.headers["Content-Location"].startswith("https://rapport.test/fhir/$export/")
    status = below(answer.headers["Content-Location"])

    waiting = await clinic.http.get(status)
    assert (waiting.status_code, waiting.content) == (202, b"")
    assert int(waiting.headers["Retry-After"]) > 0
    assert len(waiting.headers["X-Progress"]) < 100

    await prepared(clinic.application)
    ready = await clinic.http.get(status)
    assert ready.status_code == 200
    assert ready.headers["Content-Type"] == "application/json"
    assert parsedate_to_datetime(ready.headers["Expires"]).tzinfo is not None
    told = ready.json()
    assert told["request"] == "https://rapport.test/fhir/$export?_type=Patient,Observation"
    assert told["requiresAccessToken"] is True
    assert [item["type"] for item in told["output"]] == ["Patient", "Observation"]
    assert (told["deleted"], told["error"]) == ([], [])

    trees = await exported(clinic.http, told)
    assert len(trees) == 6
    assert set(people) == {name for name in named(trees) if name.startswith("Patient/")}
    for tree in trees:
        stored = ok(await clinic.http.get(f"{tree['resourceType']}/{tree['id']}"))
        assert tree == stored

    assert (await clinic.http.delete(status)).status_code == 202
    for address in (status, below(told["output"][0]["url"])):
        refused(await clinic.http.get(address), 404, "not-found")
    refused(await clinic.http.delete(status), 404, "not-found")


# ------------------------------------------------------------------------ what is asked for


def parameters(*pairs: tuple[str, str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, f"value{kind}": value} for name, kind, value in pairs],
    }


async def test_it_is_asked_for_by_post_too(clinic: Clinic, people):
    body = parameters(
        ("_outputFormat", "String", "application/fhir+ndjson"),
        ("_type", "String", "Patient"),
        ("_type", "String", "Observation"),
        ("patient", "Reference", {"reference": people[1]}),
    )
    told = await manifest(clinic.application, clinic.http, "Patient/$export", json=body)
    trees = await exported(clinic.http, told)
    assert [tree["resourceType"] for tree in trees] == ["Patient", "Observation"]
    assert f"Patient/{trees[0]['id']}" == trees[1]["subject"]["reference"] == people[1]


async def test_patients_alone_come_without_the_clinics_own(clinic: Clinic, people):
    types = [
        {item["type"] for item in (await manifest(clinic.application, clinic.http, path))["output"]}
        for path in ("$export", "Patient/$export")
    ]
    assert "Questionnaire" in types[0] - types[1]
    assert {"Patient", "Observation"} <= types[1]
    assert "AuditEvent" not in types[0]


async def test_a_group_exports_its_members_alone(clinic: Clinic, people):
    members = [
        {"entity": {"reference": people[0]}},
        {"entity": {"reference": people[1]}, "inactive": True},
    ]
    group = {"resourceType": "Group", "type": "person", "actual": True, "member": members}
    where = made(await clinic.http.post("Group", json=group))
    told = await manifest(clinic.application, clinic.http, f"{where}/$export")
    trees = await exported(clinic.http, told)
    assert {tree["resourceType"] for tree in trees} == {"Patient", "Observation", "Group"}
    assert {n for n in named(trees) if n.startswith("Patient/")} == {people[0]}
    body = parameters(*(("patient", "Reference", {"reference": each}) for each in people[1:]))
    nobody = await manifest(clinic.application, clinic.http, f"{where}/$export", json=body)
    assert nobody["output"] == []
    refused(await kick_off(clinic.http, f"{people[0]}/$export"), 404)
    refused(await kick_off(clinic.http, "Group/$export"), 404)
    refused(await kick_off(clinic.http, "Observation/$export"), 404)


async def test_every_complaint_comes_at_once(ehr):
    path = (
        "$export?_outputFormat=csv&_since=yesterday&_type=Wish,AuditEvent&_typeFilter=Patient"
        "&_elements=a..b&patient=Patient/1&includeAssociatedData=LatestProvenanceResources&_what=1"
    )
    issues = refused(await kick_off(ehr, path, prefer="handling=strict"), 400)
    text = " ".join(issue["diagnostics"] for issue in issues)
    for word in (
        "respond-async", "_outputFormat", "_since", "a type", "AuditEvent", "_typeFilter",
        "_elements", "patient", "includeAssociatedData", "_what",
    ):  # fmt: skip
        assert word in text
    assert len(issues) == 10


@pytest.mark.parametrize(
    "query, code",
    [
        ("_type=Patient&_typeFilter=Observation%3Fstatus%3Dfinal", "value"),
        ("_typeFilter=Observation%3F_sort%3Ddate", "not-supported"),
        ("_typeFilter=Observation%3F_include%3D*", "not-supported"),
        ("_typeFilter=Observation%3Fwish%3D1", "not-supported"),
        ("_typeFilter=Observation%3Fdate%3Dnever", "invalid"),
        ("_typeFilter=Observation%3Fvalue-quantity%3Dgt5", "too-costly"),
        ("_outputFormat=application/json", "not-supported"),
        ("_since=2026-01-01&_since=2026-01-02", "value"),
    ],
)
@pytest.mark.parametrize("prefer", ["respond-async", "respond-async, handling=lenient"])
async def test_what_would_narrow_it_is_never_ignored(ehr, query, code, prefer):
    answer = await kick_off(ehr, f"$export?{query}", prefer=prefer)
    issues = refused(answer, 400)
    assert code in {issue["code"] for issue in issues} or code == "invalid"


async def test_what_is_not_known_is_ignored_leniently_and_told(clinic: Clinic, people):
    told = await manifest(
        clinic.application,
        clinic.http,
        "$export?_type=Patient&includeAssociatedData=x&_until=2026-01-01",
        prefer="respond-async; handling=lenient",
    )
    assert len(await exported(clinic.http, told)) == 3
    assert [item["type"] for item in told["error"]] == ["OperationOutcome"]
    outcomes = await lines(clinic.http, told["error"][0]["url"])
    assert [each["issue"][0]["severity"] for each in outcomes] == ["warning", "warning"]
    assert "includeAssociatedData" in str(outcomes[0])
    assert "_until" in str(outcomes[1])


async def test_each_preference_may_have_a_line_of_its_own(ehr, clinic: Clinic):
    headers = [("Prefer", "handling=lenient"), ("Prefer", "respond-async")]
    answer = await clinic.http.get("$export?_what=1", headers=headers)
    assert answer.status_code == 202


@pytest.mark.parametrize("name", ["application/fhir+ndjson", "application/ndjson", "ndjson"])
async def test_the_three_names_of_ndjson(clinic: Clinic, name):
    assert (await kick_off(clinic.http, f"$export?_outputFormat={name}")).status_code == 202


async def test_elements(clinic: Clinic, people):
    path = "$export?_type=Patient,Observation&_elements=Patient.gender,status"
    trees = await exported(clinic.http, await manifest(clinic.application, clinic.http, path))
    for tree in trees:
        assert "SUBSETTED" in str(tree["meta"]["tag"])
        assert "name" not in tree and "valueQuantity" not in tree
    assert all("code" in t for t in trees if t["resourceType"] == "Observation"), "it is mandatory"
    path = "$export?_type=Patient,Observation&_elements=Patient.gender"
    trees = await exported(clinic.http, await manifest(clinic.application, clinic.http, path))
    assert all("valueQuantity" in t for t in trees if t["resourceType"] == "Observation")


async def test_filters_of_a_type_are_alternatives(clinic: Clinic, people):
    for who, status in zip(people, ("final", "amended", "preliminary"), strict=True):
        tree = observation(who) | {"status": status, "effectiveDateTime": "2026-02-03"}
        made(await clinic.http.post("Observation", json=tree))
    filters = "&".join(
        "_typeFilter=" + quote(text)
        for text in (
            "Observation?status=amended,preliminary",
            f"Observation?patient={people[0]}&date=2026,Patient?family=Berg",
        )
    )
    told = await manifest(
        clinic.application, clinic.http, f"$export?_type=Patient,Observation&{filters}"
    )
    trees = await exported(clinic.http, told)
    assert [t["name"][0]["family"] for t in trees if t["resourceType"] == "Patient"] == ["Berg"]
    found = [t for t in trees if t["resourceType"] == "Observation"]
    assert sorted(t["status"] for t in found) == ["amended", "final", "preliminary"]
    assert all("effectiveDateTime" in t for t in found)


async def test_lines_are_lines_whatever_a_client_wrote(clinic: Clinic):
    name = '[{"family": "A\\nB\u2028C", "text": "\u0085"}]'
    text = f'{{\n  "resourceType": "Patient",\r\n  "name": {name}\n}}'
    made(await clinic.http.post("Patient", content=text.encode()))
    told = await manifest(clinic.application, clinic.http, "$export?_type=Patient")
    answer = await clinic.http.get(below(told["output"][0]["url"]))
    assert answer.content.count(b"\n") == 1
    assert json.loads(answer.content)["name"][0]["family"] == "A\nB\u2028C"


async def test_gzip_where_it_is_taken(clinic: Clinic, people, monkeypatch):
    monkeypatch.setattr(exports, "ROWS", 2)
    url = below(
        (await manifest(clinic.application, clinic.http, "$export?_type=Patient"))["output"][0][
            "url"
        ]
    )
    plain = await clinic.http.get(url, headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["Cache-Control"] == "no-store"
    packed = await clinic.http.get(url, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert packed.content == plain.content
    assert len(plain.content.splitlines()) == 3


# ------------------------------------------------------------------------ as of when


async def test_it_is_as_it_was_at_the_time_it_tells(clinic: Clinic, people):
    path = "$export?_type=Patient"
    status = await started(clinic.http, path)
    clinic.application.clock.turn(seconds=1)
    changed, gone, kept = people
    before = ok(await clinic.http.get(changed))
    assert (await clinic.http.put(changed, json={**before, "gender": "other"})).status_code == 200
    assert (await clinic.http.delete(gone)).status_code == 204
    new = made(await clinic.http.post("Patient", json=patient("Dorn")))
    await prepared(clinic.application)
    told = (await clinic.http.get(status)).json()
    trees = await exported(clinic.http, told)
    assert named(trees) == {changed, kept}
    assert before in trees
    assert all(tree["meta"]["lastUpdated"] <= told["transactionTime"] for tree in trees)

    since = quote(told["transactionTime"])
    later = await manifest(clinic.application, clinic.http, f"{path}&_since={since}")
    assert named(await exported(clinic.http, later)) == {changed, new}
    (bundle,) = await exported(clinic.http, later, "deleted")
    assert bundle["type"] == "transaction"
    assert [entry["request"] for entry in bundle["entry"]] == [{"method": "DELETE", "url": gone}]
    Bundle.model_validate(bundle)
    now = await manifest(
        clinic.application, clinic.http, f"{path}&_since={quote(later['transactionTime'])}"
    )
    assert (now["output"], now["deleted"]) == ([], [])


async def test_a_type_with_a_filter_comes_as_it_met_it(clinic: Clinic, people):
    path = "$export?_type=Patient&_typeFilter=" + quote("Patient?gender=other")
    found = await started(clinic.http, path)
    clinic.application.clock.turn(seconds=1)
    tree = ok(await clinic.http.get(people[0]))
    await clinic.http.put(people[0], json={**tree, "gender": "other"})
    await prepared(clinic.application)
    (met,) = await exported(clinic.http, (await clinic.http.get(found)).json())
    assert met["gender"] == "other"


# ------------------------------------------------------------------------ who


async def test_an_export_is_its_clients_alone(clinic: Clinic, people):
    status = await started(clinic.http, "$export?_type=Patient")
    await prepared(clinic.application)
    file = below((await clinic.http.get(status)).json()["output"][0]["url"])
    other = await clinic.as_client("system/*.cruds", actor="Organization/other")
    for path in (status, file):
        strange, absent = await other.get(path), await other.get(f"$export/none/{path[-1]}")
        assert strange.status_code == 404
        assert comparable(strange) == comparable(absent) == comparable(await other.get("$export/x"))
    assert comparable(await other.delete(status)) == comparable(await other.delete("$export/none"))
    assert (await clinic.http.get(status)).status_code == 200
    odd = ("$export/%00", "$export/%ED%A0%80/1", f"$export/{'x' * 99}", f"{status}/%00")
    for path in (f"{file}9", f"{status}/x", f"{status}/0", f"{status}/-1", *odd):
        refused(await clinic.http.get(path), 404, "not-found")
    async with clinic.application.http() as stranger:
        refused(await stranger.get(f"/fhir/{file}"), 401)


async def test_another_clinics_system_finds_none(clinic: Clinic, people):
    status = await started(clinic.http, "$export?_type=Patient")
    await prepared(clinic.application)
    async with clinic_of(clinic.application) as other:
        for path in (status, f"{status}/1"):
            strange, absent = await other.http.get(path), await other.http.get("$export/none")
            assert strange.status_code == 404
            assert comparable(strange) == comparable(absent)
        told = await manifest(clinic.application, other.http, "$export?_type=Patient")
        assert told["output"] == []


async def test_an_export_ends_by_itself(clinic: Clinic, people):
    status = await started(clinic.http, "$export?_type=Patient")
    await prepared(clinic.application)
    clinic.application.clock.turn(seconds=24 * 3600 + 1)
    http = await clinic.ehr.http()
    clinic.opened.append(http)
    refused(await http.get(status), 404, "not-found")
    await prepared(clinic.application)
    async with clinic.application.services.units.read(clinic.tenant.id) as unit:
        assert await unit.exports.find(clinic.tenant.id, status.rpartition("/")[2], now=0) is None


async def test_scopes_decide_which_types(clinic: Clinic, people):
    reader = await clinic.as_client("system/Patient.rs system/Observation.r system/Goal.s")
    told = await manifest(clinic.application, reader)
    assert {item["type"] for item in told["output"]} == {"Patient"}
    for path in ("$export?_type=Observation", "$export?_type=Patient,Goal"):
        refused(await kick_off(reader, path), 403, "forbidden")
    both = await clinic.as_client("system/Observation.r system/Observation.s")
    found = await manifest(clinic.application, both)
    assert {item["type"] for item in found["output"]} == {"Observation"}
    first = await clinic.as_client("system/Patient.read")
    assert (await kick_off(first, "Patient/$export?_type=Patient")).status_code == 202


@pytest.mark.parametrize(
    "fields",
    [
        {"scope": "system/Patient.rs?family=Costa"},
        {"scope": "system/Patient.cud"},
        {"scope": "system/AuditEvent.rs", "role": "auditor"},
    ],
    ids=str,
)
async def test_no_other_scope_exports(clinic: Clinic, fields):
    reader = await clinic.as_client(**fields)
    for path in ("$export", "$export?_type=Patient", "Patient/$export", "Group/x/$export"):
        refused(await kick_off(reader, path), 403, "forbidden")
    for path in ("$export/none", "$export/none/1"):
        refused(await reader.get(path), 403, "forbidden")


async def test_the_scope_must_still_be_there(clinic: Clinic, people):
    status = await started(clinic.http, "$export?_type=Patient,Observation")
    await prepared(clinic.application)
    files = [below(f["url"]) for f in (await clinic.http.get(status)).json()["output"]]
    narrow = await clinic.ehr.http("system/Patient.rs")
    clinic.opened.append(narrow)
    assert (await narrow.get(files[0])).status_code == 200
    refused(await narrow.get(files[1]), 403, "forbidden")
    refused(await narrow.get(status), 403, "forbidden")


@pytest.mark.parametrize(
    "role, actor",
    [
        ("client", "Patient/anna"),
        ("therapist", "Practitioner/tess"),
        ("clinical_lead", "Practitioner/l"),
    ],
)
async def test_no_person_exports(clinic: Clinic, role, actor):
    await clinic.http.put("Patient/anna", json=patient(id="anna"))
    who = await signed_in(clinic, role, actor)
    status = await started(clinic.http, "$export?_type=Patient")
    await prepared(clinic.application)
    for path in ("$export", "Patient/$export", "Group/none/$export"):
        refused(await kick_off(who, path), 403, "forbidden")
    for path in (status, f"{status}/1", "$export/none"):
        refused(await who.get(path), 403, "forbidden")
    refused(await who.delete(status), 403, "forbidden")


async def test_so_many_at_a_time(clinic: Clinic, people):
    jobs = range(clinic.application.settings.export_jobs)
    status, *_ = [await started(clinic.http, "$export?_type=Patient") for _ in jobs]
    answer = await kick_off(clinic.http)
    refused(answer, 429, "throttled")
    assert int(answer.headers["Retry-After"]) > 0
    other = await clinic.as_client("system/*.rs")
    assert (await kick_off(other)).status_code == 202
    statuses = await asyncio.gather(*(clinic.http.get(status) for _ in range(20)))
    slower = next(answer for answer in statuses if answer.status_code == 429)
    assert int(slower.headers["Retry-After"]) > 0
    assert 202 in {answer.status_code for answer in statuses}
    await prepared(clinic.application)
    assert {(await clinic.http.get(status)).status_code for _ in range(5)} == {200}
    assert (await kick_off(clinic.http)).status_code == 202


async def test_a_look_starts_none(ehr):
    answer = await ehr.head("$export", headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


async def test_a_batch_starts_none(ehr):
    entry = {"request": {"method": "GET", "url": "$export"}}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    (answer,) = ok(await ehr.post("", json=bundle))["entry"]
    assert answer["response"]["status"].startswith("400")
