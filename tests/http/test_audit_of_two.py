"""What is in the log of a client's record tells nothing of anybody else: a partner reads it."""

from __future__ import annotations

import json

import pytest

from tests.http.answers import ok, refused, resources
from tests.http.own_log import named, told
from tests.http.resources import observation, patient
from tests.http.writing import put
from tests.support.consents import actor, consent, provision
from tests.support.staff import person, signed_in

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EMERGENCY = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": "reason", "valueCode": "ETREAT"},
        {"name": "note", "valueString": "she called"},
    ],
}


@pytest.fixture
async def records(clinic):
    for id in ("pia", "paul"):
        await put(clinic.http, patient(id, id=id))
        await put(clinic.http, {**observation(f"Patient/{id}"), "id": f"of-{id}"})
    couple = [{"entity": {"reference": f"Patient/{id}"}} for id in ("pia", "paul")]
    await put(
        clinic.http,
        {
            "resourceType": "Group", "id": "couple", "type": "person", "actual": True,
            "member": couple,
        },
    )  # fmt: skip
    return clinic.http


async def told_to(who, id: str) -> str:
    """All that a client is told by their log."""
    events = await told(who, f"Patient/{id}")
    return f"{json.dumps(events)} {sorted(named(events))}"


async def test_a_search_for_both_names_neither_to_the_other(clinic, records):
    lea = await signed_in(clinic, "clinical_lead", "Practitioner/lea")
    ok(await lea.get("Observation?subject=Patient/pia,Patient/paul"))
    ok(await lea.get("Observation?_id=of-pia,of-paul&_count=7"))
    form = "subject=Patient/pia,Patient/paul"
    ok(await lea.post("Observation/_search", headers=FORM, content=form))
    ok(await lea.get("Patient/paul/$everything"))
    ok(await lea.get("Patient/paul/Group"))
    ok(await lea.get("Patient?family=paul&_revinclude=Group:member"))
    pia = await signed_in(clinic, "client", "Patient/pia")
    assert "paul" not in (await told_to(pia, "pia")).lower()
    asked = named(await told(pia, "Patient/pia"))
    assert {"GET /fhir/Observation?***", "POST /fhir/Observation/_search"} <= asked
    auditor = await clinic.as_client("system/*.rs", name="Auditor", role="auditor")
    seen = await auditor.get("AuditEvent?patient=Patient/pia&_count=200")
    queries = named(resources(ok(seen)))
    assert "GET /fhir/Observation?subject=Patient/pia,Patient/paul" in queries


@pytest.mark.parametrize("said", ["deny", "permit"])
async def test_what_one_decided_is_in_the_log_of_that_one_only(clinic, records, said):
    outside = await clinic.as_client("system/*.rs", role="outside_system", actor="Organization/lab")
    lab = [actor("Organization/lab")]
    if said == "permit":
        await put(records, consent("paul", provision("permit", actor=lab), id="of-his"))
    await put(records, consent("pia", provision(said, actor=lab), id="of-hers"))
    answer = await outside.get("Group/couple")
    assert answer.status_code == (404 if said == "deny" else 200)
    ok(await outside.get("Group?_id=couple"))
    tess = await signed_in(clinic, "clinical_lead", "Practitioner/tess")
    if said == "deny":
        await put(records, consent("pia", provision("deny"), id="of-hers"))
        refused(await tess.get("Group/couple"), 404)
    paul = await signed_in(clinic, "client", "Patient/paul")
    assert "of-hers" not in await told_to(paul, "paul")
    pia = await signed_in(clinic, "client", "Patient/pia")
    assert "of-hers" in await told_to(pia, "pia")
    assert "of-his" not in await told_to(pia, "pia")


async def test_an_emergency_is_in_the_log_of_whom_it_is_about_only(clinic, records):
    tess = await (await person(clinic, "therapist", "Practitioner/tess")).signs_in()
    refused(await tess.get("Group/couple"), 404)
    ok(await tess.post("Patient/pia/$break-glass", json=EMERGENCY))
    ok(await tess.get("Group/couple"))
    ok(await tess.get("Group?_id=couple"))
    pia, paul = [await signed_in(clinic, "client", f"Patient/{id}") for id in ("pia", "paul")]
    assert "break-glass" in await told_to(pia, "pia")
    assert "break-glass" not in await told_to(paul, "paul")
