"""The CapabilityStatement says what the server does, and no more."""

from __future__ import annotations

import json

import pytest

from app.fhir import json as fhir_json
from app.fhir import validation
from app.fhir.registry import REGISTRY
from tests.conformance.test_types import STRICT
from tests.http.answers import ok, refused, resources
from tests.http.resources import BASE, bundle

WRITES = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}


@pytest.fixture
async def statement(client):
    return (await client.get("/fhir/metadata")).json()


@pytest.fixture
def served(statement):
    return {one["type"]: one for one in statement["rest"][0]["resource"]}


async def test_it_is_valid_and_open(client):
    answer = await client.get("/fhir/metadata")
    tree = fhir_json.parse_resource(answer.content)
    assert validation.check(tree, "CapabilityStatement") == []
    assert tree["fhirVersion"] == "4.0.1"
    assert tree["kind"] == "instance"
    assert tree["implementation"]["url"] == BASE
    assert [rest["mode"] for rest in tree["rest"]] == ["server"]
    assert {"application/fhir+json", "json"} <= set(tree["format"])
    assert not [one for one in tree["format"] if "xml" in one or "ttl" in one]
    security = tree["rest"][0]["security"]
    uris = {one["url"]: one["valueUri"] for one in security["extension"][0]["extension"]}
    assert uris["token"].endswith("/oauth/token")
    assert uris["authorize"].endswith("/oauth/authorize")


def test_it_names_every_type_once(statement):
    names = [one["type"] for one in statement["rest"][0]["resource"]]
    assert sorted(names) == sorted(REGISTRY)


@pytest.mark.parametrize("name", REGISTRY)
async def test_interactions_are_there_where_they_are_promised(house, served, name):
    """What is not promised is refused as such; what is, never."""
    auditor = await house.as_client("system/AuditEvent.rs", role="auditor")
    client = auditor if name == "AuditEvent" else house.http
    promised = {one["code"] for one in served[name]["interaction"]}
    addresses = {
        "read": ("GET", f"{name}/none"),
        "vread": ("GET", f"{name}/none/_history/1"),
        "history-instance": ("GET", f"{name}/none/_history"),
        "history-type": ("GET", f"{name}/_history"),
        "search-type": ("GET", name),
        "create": ("POST", name),
        "update": ("PUT", f"{name}/none"),
        "patch": ("PATCH", f"{name}/none"),
        "delete": ("DELETE", f"{name}/none"),
    }
    for code, (method, address) in addresses.items():
        answer = await client.request(method, address, content=b"{" if "P" in method else None)
        if code in promised:
            assert answer.status_code not in (403, 405, 501), (code, answer.text)
        else:  # not offered at all, or to no role
            assert answer.status_code in (403, 405), (code, answer.text)
            refused(answer, answer.status_code)


def test_conditions_go_with_interactions(served):
    for name, one in served.items():
        codes = {each["code"] for each in one["interaction"]}
        assert one.get("conditionalCreate", False) == ("create" in codes), name
        assert one.get("conditionalUpdate", False) == ("update" in codes), name
        assert one.get("updateCreate", False) == ("update" in codes), name
        assert one.get("conditionalDelete") == (
            "single" if "delete" in codes else "not-supported"
        ), name
        assert one.get("readHistory", False) == ("vread" in codes), name
        assert one["versioning"] in ("versioned", "no-version"), name


@pytest.mark.parametrize("name", REGISTRY)
async def test_every_parameter_that_is_named_is_known(house, served, name):
    client = house.http
    if name == "AuditEvent":
        client = await house.as_client("system/AuditEvent.rs", role="auditor")
    named = {one["name"]: one for one in served[name]["searchParam"]}
    assert set(named) == set(REGISTRY[name].search)
    value = {"date": "2026", "number": "1", "quantity": "1", "token": "true"}
    for code, one in named.items():
        assert one["type"] == REGISTRY[name].search[code].type
        if not one["definition"].startswith("http://hl7.org/fhir/SearchParameter/"):
            own = {"url": one["definition"]}
            assert ok(await house.http.get("SearchParameter", params=own))["total"] == 1, code
        text = "a$b" if one["type"] == "composite" else value.get(one["type"], "x")
        answer = await client.get(name, params={code: text, "_summary": "count"}, headers=STRICT)
        # What the index does not hold of confidential data is looked for within a bound.
        known = answer.status_code == 200 or '"code":"too-costly"' in answer.text
        assert known or "$" in text, (code, answer.text)
    refused(await client.get(f"{name}?nothing=1", headers=STRICT), 400)


@pytest.mark.parametrize("name", REGISTRY)
async def test_every_include_that_is_named_is_known(house, served, name):
    client = house.http
    if name == "AuditEvent":
        client = await house.as_client("system/AuditEvent.rs", role="auditor")
    for member, parameter in (("searchInclude", "_include"), ("searchRevInclude", "_revinclude")):
        for value in served[name].get(member, ()):
            query = {parameter: value, "_count": "1"}
            answer = await client.get(name, params=query, headers=STRICT)
            assert answer.status_code == 200, (value, answer.text)


async def test_system_interactions_are_there(ehr, statement):
    codes = {one["code"] for one in statement["rest"][0]["interaction"]}
    assert codes == {"transaction", "batch", "search-system", "history-system"}
    for kind in ("transaction", "batch"):
        ok(await ehr.post("", json=bundle(kind)))
    ok(await ehr.get("?_type=Patient&_count=0"))
    ok(await ehr.get("_history?_count=0"))


async def test_compartments_are_there(ehr, statement):
    for url in statement["rest"][0]["compartment"]:
        owner = url.rpartition("/")[2]
        owner = owner[0].upper() + owner[1:]
        for member in [name for name, one in REGISTRY.items() if owner in one.compartments]:
            if REGISTRY[member].store == "resource":
                refused(await ehr.get(f"{owner}/none/{member}"), 404, "not-found")


async def test_operations_are_there_and_defined(ehr, served):
    for name, one in served.items():
        for operation in one.get("operation", ()):
            answers = [
                await ehr.post(f"{name}{where}/${operation['name']}", content=b"")
                for where in ("", "/none")
            ]
            # At one of the levels at least: any other answer than that there is none.
            assert any(
                "no such operation" not in answer.text and answer.status_code < 500
                for answer in answers
            ), operation
            url = operation["definition"]
            if not url.startswith("http://hl7.org/"):
                found = await ehr.get("OperationDefinition", params={"url": url})
                assert ok(found)["total"] == 1, url


async def test_patch_formats_are_taken(ehr, statement):
    for content_type in statement["patchFormat"]:
        answer = await ehr.patch(
            "Patient/none", content=b"{}", headers={"Content-Type": content_type}
        )
        refused(answer, 404)


async def test_the_softwares_own_statement_is_found_and_says_the_same(ehr, statement):
    (found,) = resources(ok(await ehr.get("CapabilityStatement")))
    assert found["url"] in statement["instantiates"]
    assert found["kind"] == "capability"
    assert found["software"] == statement["software"]
    assert "implementation" not in found, "it is of no installation"
    assert BASE not in json.dumps(found)
    offered = [tree["rest"][0] for tree in (found, statement)]
    for name in ("mode", "interaction", "resource", "operation", "compartment"):
        assert offered[0][name] == offered[1][name], name
    assert validation.check(found, "CapabilityStatement") == []
    refused(await ehr.put(f"CapabilityStatement/{found['id']}", json=found), 405)


async def test_what_it_says_does_not_depend_on_who_asks(client, ehr):
    bare = (await client.get("/fhir/metadata")).content
    assert (await ehr.get("metadata")).content == bare
    assert json.loads(bare)["resourceType"] == "CapabilityStatement"
