"""What clients decide: signed, theirs alone to change, succeeded by what is newer."""

from __future__ import annotations

import json

import pytest

from tests.http.answers import ok, refused, resources
from tests.http.resources import episode, patient
from tests.support.application import ORIGIN
from tests.support.consents import actor, consent, labels, provision
from tests.support.people import (
    add_client,
    add_person,
    answered,
    authorize_url,
    browser,
    code_now,
    enrol,
    redeem,
)
from tests.support.staff import signed_in

THERAPIST = "Practitioner/tess"


def made(answer):
    """What was made, as it was answered."""
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
async def records(clinic):
    ehr = clinic.http
    await ehr.put(THERAPIST, json={"resourceType": "Practitioner", "id": "tess"})
    await ehr.put(
        "Organization/lab", json={"resourceType": "Organization", "id": "lab", "name": "L"}
    )
    for id in ("anna", "bert"):
        await ehr.put(f"Patient/{id}", json=patient(id, id=id))
    own = episode("Patient/anna", careManager={"reference": THERAPIST})
    made(await ehr.post("EpisodeOfCare", json=own))
    return ehr


@pytest.fixture
async def anna(clinic, records):
    return await signed_in(clinic, "client", "Patient/anna")


@pytest.fixture
async def tess(clinic, records):
    return await signed_in(clinic, "therapist", THERAPIST)


def deny(**more):
    return consent("anna", provision("deny", actor=[actor(THERAPIST)]), **more)


def permit(**more):
    return consent("anna", provision("permit", actor=[actor("Organization/lab")]), **more)


async def is_signed(clinic, text, provenance):
    services = clinic.application.services
    async with services.units.read(clinic.tenant.id) as unit:
        return await services.engine.services.signing.is_signed(unit, text, provenance)


async def test_each_version_that_a_client_writes_is_signed(clinic, anna):
    first = made(await anna.post("Consent", json=deny()))
    address = f"Consent/{first['id']}"
    ended = await anna.put(address, json={**first, "status": "inactive"})
    assert ended.status_code == 200, ended.text
    found = resources(ok(await anna.get("Provenance", params={"patient": "Patient/anna"})))
    by_version = {each["target"][0]["reference"]: each for each in found}
    assert by_version.keys() == {f"{address}/_history/1", f"{address}/_history/2"}
    texts = {name: (await anna.get(name)).content for name in by_version}
    for name, provenance in by_version.items():
        assert provenance["signature"][0]["onBehalfOf"] == {"reference": "Patient/anna"}
        for other, text in texts.items():
            assert await is_signed(clinic, text, provenance) is (name == other)
        assert not await is_signed(clinic, text + b" ", provenance)


async def test_a_signature_by_anybody_else_is_none(clinic, anna):
    first = made(await anna.post("Consent", json=deny()))
    text = (await anna.get(f"Consent/{first['id']}/_history/1")).content
    (provenance,) = resources(ok(await anna.get("Provenance")))
    signature = provenance["signature"][0]
    for data in ("", "AAAA", "////", signature["data"][:-8]):
        changed = {**provenance, "signature": [{**signature, "data": data}]}
        assert not await is_signed(clinic, text, changed)


async def test_what_a_client_signed_is_theirs_alone(anna, tess, records):
    made_ = made(await anna.post("Consent", json=deny()))
    address = f"Consent/{made_['id']}"
    lifted = {**made_, "status": "inactive"}
    refused(await tess.put(address, json=lifted), 403, "forbidden")
    patched = await tess.patch(
        address,
        content=json.dumps({"status": "inactive"}),
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert patched.status_code == 403
    newer = permit(sourceReference={"reference": address}, dateTime="2030-01-01")
    made(await tess.post("Consent", json=newer))
    assert (await anna.get(address)).json()["status"] == "active"
    assert (await records.put(address, json=lifted)).status_code == 200


async def test_a_newer_consent_ends_the_one_that_it_names(anna, tess):
    old = made(await anna.post("Consent", json=deny(dateTime="2026-01-01")))
    assert (await tess.get("Patient/anna")).status_code == 404
    older = permit(sourceReference={"reference": f"Consent/{old['id']}"}, dateTime="2025-01-01")
    made(await anna.post("Consent", json=older))
    assert (await tess.get("Patient/anna")).status_code == 404
    newer = permit(sourceReference={"reference": f"Consent/{old['id']}"}, dateTime="2026-02-01")
    made(await anna.post("Consent", json=newer))
    assert (await tess.get("Patient/anna")).status_code == 200
    ended = (await anna.get(f"Consent/{old['id']}")).json()
    assert (ended["status"], ended["meta"]["versionId"]) == ("inactive", "2")
    first = (await anna.get(f"Consent/{old['id']}/_history/1")).json()
    assert first["status"] == "active"


@pytest.mark.parametrize(
    "newer",
    [
        {"status": "draft"},
        {"provision": {"actor": [actor("Organization/lab")]}},
        {"patient": {"reference": "Patient/bert"}},
    ],
    ids=["draft", "not computable", "another's"],
)
async def test_what_does_not_count_ends_nothing(records, newer):
    old = made(await records.post("Consent", json=deny(dateTime="2026-01-01")))
    source = {"reference": f"Consent/{old['id']}"}
    tree = permit(sourceReference=source, dateTime="2026-02-01") | newer
    made(await records.post("Consent", json=tree))
    assert (await records.get(f"Consent/{old['id']}")).json()["status"] == "active"


async def test_separation_freezes_what_was_joint(records, tess):
    couple = {
        "resourceType": "Group", "id": "couple", "type": "person", "actual": True,
        "member": [{"entity": {"reference": f"Patient/{id}"}} for id in ("anna", "bert")],
    }  # fmt: skip
    goal = {
        "resourceType": "Goal", "lifecycleStatus": "active",
        "subject": {"reference": "Group/couple"}, "description": {"text": "Talk"},
    }  # fmt: skip
    task = {
        "resourceType": "Task", "status": "requested", "intent": "order",
        "for": {"reference": "Group/couple"},
    }  # fmt: skip
    await records.put("Group/couple", json=couple)
    kept = made(await records.post("Goal", json=goal))
    made(await records.post("Task", json=task))
    ended = [{**each, "period": {"end": "2026-02-01"}} for each in couple["member"][:1]]
    apart = {**couple, "member": [*ended, couple["member"][1]]}
    assert (await tess.put("Group/couple", json=apart)).status_code == 200
    address = f"Goal/{kept['id']}"
    assert (await tess.get(address)).status_code == 200
    for refusal in (
        await records.post("Goal", json=goal),
        await records.post("Task", json=task),
        await records.put(address, json={**kept, "lifecycleStatus": "completed"}),
        await records.put(address, json={**kept, "subject": {"reference": "Patient/anna"}}),
        await records.delete(address),
        await records.put("Group/couple", json=couple),
        await records.delete("Group/couple"),
    ):
        refused(refusal, 422, "business-rule")
    own = {**goal, "subject": {"reference": "Patient/anna"}}
    made(await records.post("Goal", json=own))
    assert (await records.put("Group/couple", json={**apart, "active": False})).status_code == 200


async def test_introspection_tells_what_was_decided_of_the_caller(clinic, records, anna):
    """The Consent and what is left to enforce, as IHE PCF has it in ``extensions.ihe_pcf``."""
    registered = await add_client(clinic)
    account = await add_person(clinic, "tess", "therapist", fhir_user=THERAPIST)
    secret = await enrol(clinic.application, account)
    who = browser(clinic.application)
    await who.open(authorize_url(registered, "openid launch/patient patient/*.rs"))
    await who.sign_in(account)
    await who.submit("/login/second", code=code_now(clinic.application, secret))
    page = await who.submit("/oauth/choose", patient="anna")
    assert page is not None
    answer = answered(await who.submit("/oauth/approve", decision="allow"))
    await who.http.aclose()
    token = (await redeem(clinic.application, registered, answer["code"])).json()
    assert token["patient"] == "anna"

    async def told():
        async with clinic.application.http() as http:
            asked = {"Authorization": f"Bearer {token['access_token']}"}
            form = {"token": token["access_token"]}
            state = (await http.post("/oauth/introspect", data=form, headers=asked)).json()
        assert state["active"] is True
        return state.get("extensions", {}).get("ihe_pcf")

    assert await told() is None
    made(await anna.post("Consent", json=permit()))
    assert await told() is None
    nested = provision("deny", actor=[actor(THERAPIST)], securityLabel=labels("R"))
    own = made(await anna.post("Consent", json=consent("anna", provision("permit", nested))))
    system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    assert await told() == {
        "patient_id": f"{ORIGIN}/fhir/Patient/anna",
        "doc_id": [f"{ORIGIN}/fhir/Consent/{own['id']}"],
        "acp": ["https://rapport.example.org/policy/privacy"],
        "residual": [{"type": "forbid", "securityLabel": [{"system": system, "code": "R"}]}],
    }
    await anna.put(f"Consent/{own['id']}", json={**own, "status": "inactive"})
    assert await told() is None
