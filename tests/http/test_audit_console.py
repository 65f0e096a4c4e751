"""The console answers who saw a record, when, why and under which Consent; for auditors only."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
import pytest_asyncio

from app.repositories.audit_log import AuditLog
from app.services.audit_tables import HEADER
from tests.http.answers import made
from tests.http.resources import patient
from tests.support.audit_records import a_record
from tests.support.databases import ANYBODY
from tests.support.people import Browser, add_person, browser, code_now, enrol


@pytest_asyncio.fixture
async def auditor(clinic):
    """An auditor of the clinic, signed in with both steps."""
    account = await add_person(clinic, "ada", "auditor")
    secret = await enrol(clinic.application, account)
    who = browser(clinic.application)
    await who.open("/login?next=/audit")
    await who.submit("/login", username=account.username, password="seven quiet rivers")
    page = await who.submit("/login/second", code=code_now(clinic.application, secret))
    assert page.status_code == 200, page.text
    yield who
    await who.http.aclose()


@pytest_asyncio.fixture
async def seen(clinic):
    """A patient, and what happened to the record."""
    where = made(await clinic.http.post("Patient", json=patient("Quiet", birthDate="1990-01-02")))
    id = where.partition("/")[2]
    await clinic.http.get(where, headers={"X-Request-Id": "look-7"})
    await clinic.http.get("Patient?family=Quiet&birthdate=1990-01-02")
    await clinic.http.get("Patient/nobody-here")
    glass = a_record(
        tenant=clinic.tenant.id,
        recorded=clinic.application.clock.now() // 1000 * 1000,
        aid=clinic.tenant.id,
        name="<b>Bold</b>",
        entity=where,
        patient=id,
        purpose="BTG",
        basis="consent",
        consent="Consent/c1",
        consent_version=2,
        provision="Consent.provision.provision[1]",
    )
    async with clinic.application.services.units.database.write(ANYBODY) as connection:
        await AuditLog(connection).append([glass])
    await clinic.application.app.state.sequencer.step()
    return id, glass


def rows(page: str) -> list[str]:
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)) for row in body.split("</tr>")[:-1]]


async def test_first_page_shows_what_happened_and_how_the_log_stands(auditor: Browser, seen):
    id, _ = seen
    page = await auditor.open("/audit")
    shown = rows(page.text)
    assert any("create" in row and f"Patient/{id}" in row for row in shown)
    assert any("read" in row and "Record system" in row for row in shown)
    assert any("refused or failed" in row and "not-found" in row for row in shown)
    assert "The log is whole" in page.text
    assert re.search(r"checkpoint of <bdi[^>]*>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", page.text)


@pytest.mark.parametrize(
    "query, expected",
    [
        ("patient={id}", {"create", "read", "search-type"}),
        ("glass=1", {"read"}),
        ("purpose=BTG", {"read"}),
        ("outcome=refused", {"read"}),
        ("user=record", {"create", "read", "search-type"}),
        ("user=%3Cb%3Ebold", {"read"}),
        ("since=2999-01-01", set()),
        ("until=1999-01-01", set()),
        ("entity=Patient/{id}", {"create", "read"}),
    ],
)
async def test_search_narrows(auditor: Browser, seen, query, expected):
    page = await auditor.open("/audit?" + query.format(id=seen[0]))
    assert page.status_code == 200
    kinds = ("create", "read", "search-type", "audit-used", "Login")
    found = {kind for row in rows(page.text) for kind in kinds if f" {kind} " in row}
    assert found - {"audit-used", "Login"} == expected
    if not expected:
        assert "Nothing was found" in page.text


@pytest.mark.parametrize(
    "query", ["since=never", "before=x", "patient=%00", "user=%F0%9F%98%80", "outcome=x", "glass="]
)
async def test_what_makes_no_sense_breaks_nothing(auditor: Browser, seen, query):
    assert (await auditor.open(f"/audit?{query}")).status_code == 200


async def test_event_says_why_it_was_allowed(auditor: Browser, seen):
    _, glass = seen
    page = await auditor.open(f"/audit/event/{glass.id}")
    for text in (
        "Why it was allowed",
        "Consent/c1",
        "version 2",
        "Consent.provision.provision[1]",
        "BTG",
        "Entry in the tree",
    ):
        assert text in page.text
    assert "&lt;b&gt;Bold&lt;/b&gt;" in page.text
    assert "<b>Bold" not in page.text


@pytest.mark.parametrize("id", ["x", "1800000000000-0000000000000000001", "%00"])
async def test_event_that_is_not_there(auditor: Browser, seen, id):
    assert (await auditor.open(f"/audit/event/{id}")).status_code == 404


async def test_no_clinical_content_is_shown(auditor: Browser, seen):
    """The names of what was asked for are; the values are not."""
    id, _ = seen
    page = await auditor.open(f"/audit?patient={id}")
    [search] = [row for row in page.text.split("</tr>") if "search-type" in row]
    where = re.search(r"/audit/event/[0-9-]+", search)
    assert where is not None
    shown = await auditor.open(where.group())
    assert "GET /fhir/Patient (family, birthdate)" in shown.text
    for text in (page.text, shown.text):
        assert "Quiet" not in text
        assert "1990" not in text
        assert "lga" not in text


async def test_timeline_is_a_picture_and_a_list(auditor: Browser, seen):
    id, _ = seen
    page = await auditor.open(f"/audit/timeline?entity=Patient/{id}")
    assert page.text.count("<g class=") == len(rows(page.text)) == 3
    assert "<polygon" in page.text
    assert "<rect" in page.text
    assert "<circle" in page.text
    assert "&lt;b&gt;Bold" in page.text
    assert (await auditor.open("/audit/timeline?entity=Patient/none")).status_code == 200


async def test_alerts_have_their_list(auditor: Browser, clinic):
    page = await auditor.open("/audit/alerts")
    assert "There are no alerts." in page.text
    trail = clinic.application.services.trail
    alert = trail.internal(
        "alert", tenant=clinic.tenant.id, entity="Practitioner/pr1", name="bulk-reading"
    )
    async with clinic.application.services.units.database.write(ANYBODY) as connection:
        await AuditLog(connection).append([alert])
    page = await auditor.open("/audit/alerts")
    assert "One person read of many clients" in page.text
    assert "Practitioner/pr1" in page.text
    page = await auditor.open("/audit/alerts?lang=ar")
    assert "قرأ شخص واحد سجلات عملاء كثيرين" in page.text


async def test_table_is_safe_for_spreadsheets(auditor: Browser, seen, clinic):
    record = a_record(
        tenant=clinic.tenant.id, aid=clinic.tenant.id + 10**6, name="=HYPERLINK(1)", patient="px"
    )
    async with clinic.application.services.units.database.write(ANYBODY) as connection:
        await AuditLog(connection).append([record])
    answer = await auditor.open("/audit/export.csv?patient=px")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="audit.csv"' in answer.headers["content-disposition"]
    [header, row] = csv.reader(io.StringIO(answer.text))
    assert tuple(header) == HEADER
    assert dict(zip(header, row, strict=True))["name"] == "'=HYPERLINK(1)"


async def test_events_leave_with_their_salts(auditor: Browser, seen):
    answer = await auditor.open(f"/audit/export.ndjson?entity=Patient/{seen[0]}")
    events = [json.loads(line) for line in answer.text.splitlines()]
    assert len(events) == 3
    assert all(event["extension"] for event in events)
    page = await auditor.open("/audit")
    assert "Audit log exported" in page.text


async def test_pages_go_on(auditor: Browser, clinic):
    many = [
        a_record(tenant=clinic.tenant.id, aid=clinic.tenant.id * 1000 + n, patient="pm")
        for n in range(120)
    ]
    async with clinic.application.services.units.database.write(ANYBODY) as connection:
        await AuditLog(connection).append(many)
    seen, address = [], "/audit?patient=pm"
    while address:
        page = await auditor.open(address)
        seen += re.findall(r"/audit/event/([0-9-]+)", page.text)
        following = re.search(r'rel="next" href="([^"]+)"', page.text)
        address = following[1].replace("&amp;", "&") if following else ""
    assert sorted(seen) == sorted(each.id for each in many)


async def test_looking_is_recorded(auditor: Browser, clinic):
    before = await auditor.open("/audit?user=ada")
    again = await auditor.open("/audit?user=ada")
    assert len(rows(again.text)) == len(rows(before.text)) + 1


@pytest.mark.parametrize("role", ["therapist", "clinical_lead", "admin", "reception"])
async def test_nobody_else_looks(clinic, role):
    account = await add_person(clinic, f"not-{role.replace('_', '-')}", role)
    secret = await enrol(clinic.application, account)
    who = browser(clinic.application)
    await who.open("/login?next=/account")
    await who.submit("/login", username=account.username, password="seven quiet rivers")
    await who.submit("/login/second", code=code_now(clinic.application, secret))
    for address in ("/audit", "/audit/export.csv", "/audit/timeline", "/audit/alerts"):
        page = await who.open(address)
        assert page.status_code == 403
        assert "for auditors" in page.text
    await who.http.aclose()


async def test_strangers_sign_in_first(client):
    answer = await client.get("/audit?patient=p1")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Faudit%3Fpatient%3Dp1"


async def test_another_clinic_is_not_in_sight(auditor: Browser, application, clinic):
    other = await application.add_tenant(f"elsewhere-{clinic.tenant.id}")
    record = a_record(tenant=other.id, aid=other.id, patient="hidden")
    async with application.services.units.database.write(ANYBODY) as connection:
        await AuditLog(connection).append([record])
    assert "Nothing was found" in (await auditor.open("/audit?patient=hidden")).text
    assert (await auditor.open(f"/audit/event/{record.id}")).status_code == 404


async def test_console_speaks_arabic(auditor: Browser, seen):
    page = await auditor.open("/audit?lang=ar")
    assert 'dir="rtl"' in page.text
    assert "سجل الاطلاع" in page.text


async def test_pages_run_no_script(auditor: Browser, seen):
    for address in ("/audit", f"/audit/timeline?patient={seen[0]}", "/audit/alerts"):
        page = await auditor.open(address)
        assert "script-src" not in page.headers["content-security-policy"]
        assert "<script" not in page.text
        assert " style=" not in page.text
        assert page.headers["cache-control"] == "no-store"
