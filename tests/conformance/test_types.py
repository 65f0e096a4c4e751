"""Every type of the registry does all that it says, through the same few routes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.fhir.registry import REGISTRY, Interaction
from app.security import roles
from tests.conformance.searches import parameters, values
from tests.http.answers import made, ok, refused, resources, version
from tests.http.resources import patient

EXAMPLES = Path(__file__).parents[1] / "examples"
STORED = [name for name, entry in REGISTRY.items() if entry.store == "resource"]
SHARED = [name for name, entry in REGISTRY.items() if entry.store == "shared"]
WRITTEN = STORED
# What says where others come from is written once.
KEPT = [name for name in WRITTEN if "u" not in roles.actions("system", name)]
CHANGED = [name for name in WRITTEN if name not in KEPT]
STRICT = {"Prefer": "handling=strict"}

LONGEST = 256


def example(name):
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def test_there_is_an_example_of_every_type():
    assert {path.stem for path in EXAMPLES.glob("*.json")} == set(STORED)


@pytest.mark.parametrize("name", CHANGED)
async def test_a_resource_lives_from_create_to_delete(clinic, name):
    ehr = clinic.http
    created = await ehr.post(name, json=example(name))
    where = made(created)
    assert where.startswith(f"{name}/")
    id = where.partition("/")[2]
    assert (await ehr.get(where)).content == created.content
    assert (await ehr.head(where)).headers["ETag"] == 'W/"1"'
    assert (await ehr.get(f"{where}/_history/1")).content == created.content
    body = created.json()
    sent = example(name)
    for key in sent.keys() - {"id", "meta", "statusHistory"}:
        assert body[key] == sent[key], key

    changed = await ehr.put(where, json=body | {"language": "en-GB"})
    assert version(changed) == 2
    assert changed.json()["language"] == "en-GB"
    same = await ehr.put(where, json=changed.json())
    assert version(same) == 2
    patched = await ehr.patch(
        where,
        content=json.dumps([{"op": "replace", "path": "/language", "value": "fr"}]),
        headers={"Content-Type": "application/json-patch+json"},
    )
    assert version(patched) == 3
    assert patched.json()["language"] == "fr"
    assert ok(await ehr.get(f"{where}/_history"))["total"] == 3
    assert ok(await ehr.get(f"{name}/_history?_count=1"))["total"] >= 3
    assert ok(await ehr.get(f"{name}?_id={id}"))["total"] == 1
    assert (await ehr.delete(where)).status_code == 204
    refused(await ehr.get(where), 410, "deleted")
    assert ok(await ehr.get(f"{name}?_id={id}"))["total"] == 0

    chosen = await ehr.put(f"{name}/example", json=example(name))
    assert made(chosen) == f"{name}/example"


@pytest.mark.parametrize("name", KEPT)
async def test_what_is_written_once_stays(clinic, name):
    ehr = clinic.http
    created = await ehr.post(name, json=example(name))
    where = made(created)
    refused(await ehr.put(where, json=created.json()), 403, "forbidden")
    refused(await ehr.delete(where), 403, "forbidden")
    assert (await ehr.get(where)).content == created.content
    assert ok(await ehr.get(f"{where}/_history"))["total"] == 1


@pytest.mark.parametrize("name", WRITTEN)
async def test_every_parameter_finds_its_example(clinic, name):
    ehr = clinic.http
    stored = ok(await ehr.get(made(await ehr.post(name, json=example(name)))))
    missed = []
    for parameter in parameters(name):
        texts = values(stored, parameter)
        for text in texts:
            query = {parameter.code: text, "_id": stored["id"]}
            found = ok(await ehr.get(name, params=query, headers=STRICT))
            if found["total"] != 1:
                missed.append((parameter.code, text))
        if parameter.type not in ("composite", "special") and parameter.expression:
            there = {f"{parameter.code}:missing": "false", "_id": stored["id"]}
            found = ok(await ehr.get(name, params=there, headers=STRICT))
            if bool(found["total"]) != bool(texts or parameter.code == "_lastUpdated"):
                missed.append((parameter.code, "missing"))
    assert missed == []


@pytest.mark.parametrize("name", WRITTEN)
async def test_every_parameter_sorts_and_refers(clinic, name):
    ehr = clinic.http
    id = made(await ehr.post(name, json=example(name))).partition("/")[2]
    for parameter in parameters(name):
        if parameter.type not in ("composite", "special"):
            for sign in ("", "-"):
                address = f"{name}?_id={id}&_sort={sign}{parameter.code}"
                assert ok(await ehr.get(address, headers=STRICT))["total"] == 1, parameter.code
        if parameter.type == "reference":
            for include in ("_include", "_include:iterate"):
                code = f"{name}:{parameter.code}"
                ok(await ehr.get(name, params={include: code}, headers=STRICT))
    ok(await ehr.get(name, params={"_include": "*", "_revinclude": "*"}, headers=STRICT))


@pytest.mark.parametrize("name", SHARED)
async def test_what_all_tenants_share_is_read_and_searched(ehr, name):
    found = ok(await ehr.get(f"{name}?_count=3"))
    assert found["total"] > 0
    for tree in resources(found):
        where = f"{name}/{tree['id']}"
        assert ok(await ehr.get(where)) == tree
        assert ok(await ehr.get(f"{where}/_history/{tree['meta']['versionId']}")) == tree
        for parameter in parameters(name):
            for text in values(tree, parameter)[:2]:
                if len(text) > LONGEST:  # what no search asks for
                    continue
                query = {parameter.code: text, "_id": tree["id"]}
                answer = await ehr.get(name, params=query, headers=STRICT)
                assert ok(answer)["total"] == 1, (parameter.code, text)


async def test_the_log_is_read_and_searched(clinic):
    await clinic.http.post("Patient", json=patient())
    await clinic.http.get("Patient?family=Costa")
    auditor = await clinic.as_client("system/AuditEvent.rs", role="auditor")
    found = resources(ok(await auditor.get("AuditEvent")))
    assert {event["action"] for event in found} >= {"C", "E"}
    for event in found:
        answer = await auditor.get(f"AuditEvent/{event['id']}")
        assert ok(answer) == event
        assert answer.headers["ETag"] == 'W/"1"'
        assert (
            await auditor.get(f"AuditEvent/{event['id']}", headers={"If-None-Match": 'W/"1"'})
        ).status_code == 304
        for parameter in parameters("AuditEvent"):
            for text in values(event, parameter)[:3]:
                query = {parameter.code: text, "_id": event["id"]}
                answer = await auditor.get("AuditEvent", params=query, headers=STRICT)
                assert ok(answer)["total"] == 1, (parameter.code, text, event)
    refused(await auditor.get("AuditEvent/none"), 404, "not-found")
    refused(await clinic.http.get(f"AuditEvent/{found[0]['id']}"), 403, "forbidden")


@pytest.mark.parametrize("name", REGISTRY)
async def test_no_address_of_a_type_breaks(house, name):
    client = await house.as_client("system/*.cruds")
    for method, address in (
        ("GET", name), ("GET", f"{name}/1"), ("GET", f"{name}/1/_history"),
        ("GET", f"{name}/1/_history/1"), ("GET", f"{name}/_history"), ("POST", f"{name}/_search"),
        ("POST", name), ("PUT", f"{name}/1"), ("PATCH", f"{name}/1"), ("DELETE", f"{name}/1"),
        ("PUT", f"{name}?_id=1"), ("PATCH", f"{name}?_id=1"), ("DELETE", f"{name}?_id=1"),
        ("HEAD", f"{name}/1"), ("POST", f"{name}/$validate"), ("GET", f"{name}/1/$everything"),
    ):  # fmt: skip
        body = json.dumps({"resourceType": name}) if method in ("POST", "PUT") else None
        answer = await client.request(
            method, address, content=None if "_search" in address else body
        )
        assert answer.status_code < 500, (method, address, answer.text)


def test_a_type_offers_what_its_store_can():
    for name in STORED:
        assert REGISTRY[name].interactions >= {Interaction.CREATE, Interaction.DELETE}
    for name in SHARED:
        assert Interaction.CREATE not in REGISTRY[name].interactions
