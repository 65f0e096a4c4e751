"""A client learns who was told what of them, when and why; salts stay with the auditor."""

from __future__ import annotations

import pytest
from fhir.resources.R4B.bundle import Bundle

from app.core.clock import SECOND, format_instant
from app.repositories.audit_log import AuditLog
from tests.http.answers import comparable, refused
from tests.http.resources import patient
from tests.support.audit_records import a_record
from tests.support.databases import ANYBODY
from tests.support.staff import signed_in

DAY = 86_400 * SECOND


@pytest.fixture
async def told(clinic):
    """What others were told of a client over the years, and what they were not."""
    await clinic.http.put("Patient/anna", json=patient(id="anna"))
    now = clinic.application.clock.now() // 1000 * 1000
    tenant = clinic.tenant.id
    common = {"tenant": tenant, "patient": "anna", "entity": "Observation/o1"}
    records = [
        a_record(**common, aid=tenant, recorded=now - 40 * DAY),
        a_record(**common, aid=tenant + 1, recorded=now - 7 * 366 * DAY),
        a_record(**common, aid=tenant + 2, recorded=now - 2 * DAY, outcome="8"),
        a_record(**common, aid=tenant + 3, recorded=now - 2 * DAY, event="create"),
        a_record(**common, aid=tenant + 4, recorded=now - 2 * DAY, actor="Patient/anna"),
        a_record(
            **(common | {"entity": None}),
            aid=tenant + 5,
            recorded=now - DAY,
            event="search-type",
            query="GET /fhir/Observation?subject=Patient/anna",
        ),
        a_record(**(common | {"patient": "berta"}), aid=tenant + 6, recorded=now - DAY),
    ]
    async with clinic.application.services.units.database.write(ANYBODY) as connection:
        await AuditLog(connection).append(records)
    return records, now


async def ids(who, query: str = "") -> list[str]:
    answer = await who.get(f"Patient/anna/$accounting-of-disclosures{query}")
    assert answer.status_code == 200, answer.text
    Bundle.model_validate_json(answer.content)
    bundle = answer.json()
    assert bundle["type"] == "collection"
    for entry in bundle.get("entry", []):
        event = entry["resource"]
        assert entry["fullUrl"].endswith(f"AuditEvent/{event['id']}")
        assert "extension" not in event
        recipient = [agent for agent in event["agent"] if agent["requestor"]]
        assert recipient[0]["who"]["display"]
        assert recipient[0]["purposeOfUse"]
    return [entry["resource"]["id"] for entry in bundle.get("entry", [])]


async def test_client_learns_what_others_were_told(clinic, told):
    records, now = told
    anna = await signed_in(clinic, "client", "Patient/anna")
    assert await ids(anna) == [records[5].id, records[0].id]
    ten_days_ago = format_instant(now - 10 * DAY)
    assert await ids(anna, f"?start={ten_days_ago}") == [records[5].id]
    assert await ids(anna, f"?end={ten_days_ago}") == [records[0].id]
    assert await ids(anna, "?start=1990&end=1999") == []


async def test_those_may_ask_who_are_to_answer(clinic, told):
    records, _ = told
    lead = await signed_in(clinic, "clinical_lead", "Practitioner/lea")
    assert records[0].id in await ids(lead)
    auditor = await clinic.as_client("system/*.rs", name="Auditor", role="auditor")
    assert records[0].id in await ids(auditor)


@pytest.mark.parametrize("role", ["therapist", "reception"])
async def test_nobody_else_may_ask(clinic, told, role):
    other = await signed_in(clinic, role, f"Practitioner/{role}")
    answer = await other.get("Patient/anna/$accounting-of-disclosures")
    assert answer.status_code == 403
    assert (await clinic.http.get("Patient/anna/$accounting-of-disclosures")).status_code == 403


async def test_no_client_asks_for_another(clinic, told):
    await clinic.http.put("Patient/berta", json=patient(id="berta"))
    berta = await signed_in(clinic, "client", "Patient/berta")
    answer = await berta.get("Patient/anna/$accounting-of-disclosures")
    refused(answer, 404, "not-found")
    nobody = await berta.get("Patient/nobody/$accounting-of-disclosures")
    assert comparable(answer) == comparable(nobody)


async def test_asking_is_recorded(clinic, told):
    anna = await signed_in(clinic, "client", "Patient/anna")
    await anna.get("Patient/anna/$accounting-of-disclosures", headers={"X-Request-Id": "account-1"})
    auditor = await clinic.as_client("system/AuditEvent.rs", name="Auditor", role="auditor")
    found = (await auditor.get("AuditEvent?entity:identifier=account-1")).json()
    [entry] = found["entry"]
    assert entry["resource"]["subtype"][0]["code"] == "operation"
    assert entry["resource"]["extension"][0]["url"].endswith("/audit-salt")


async def test_client_sees_their_own_accesses_without_salts(clinic, told):
    anna = await signed_in(clinic, "client", "Patient/anna")
    found = (await anna.get("AuditEvent?_count=100")).json()
    assert found["entry"]
    for entry in found["entry"]:
        assert "extension" not in entry["resource"]
        whose = {
            entity["what"]["reference"]
            for entity in entry["resource"].get("entity", [])
            if entity["type"]["code"] == "1"
        }
        actors = {
            agent["who"].get("reference") for agent in entry["resource"]["agent"] if "who" in agent
        }
        assert "Patient/anna" in whose | actors
    one = found["entry"][0]["resource"]["id"]
    assert "extension" not in (await anna.get(f"AuditEvent/{one}")).json()
