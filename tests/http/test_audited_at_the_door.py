"""What happens at the door is in the log of the clinic: each thing by its own name."""

from __future__ import annotations

from app.core.ids import RandomIds
from app.repositories.audit_queries import AuditQueries, Question
from app.search.visibility import Visible
from app.services.audit import HOME
from tests.http.test_oauth_people import SCOPE, tokens
from tests.http.test_step_up import bearer
from tests.support.people import add_client, add_person, browser, refresh


async def told(clinic, tenant=None):
    """Kind and whether it succeeded, of each record of the clinic."""
    id = clinic.tenant.id if tenant is None else tenant
    visible = Visible.everything(id, reason="a test looks at the log")
    async with clinic.application.services.units.database.read(id) as connection:
        found = await AuditQueries(connection).page(Question(), visible=visible, limit=1000)
    return {(each.event, each.outcome == "0") for each in found}


async def test_signing_in_and_tokens(application, clinic):
    await clinic.http.put("Patient/anna", json={"resourceType": "Patient", "id": "anna"})
    anna = await add_person(clinic, "anna", "client", fhir_user="Patient/anna")
    portal = await add_client(clinic)
    who = browser(application)
    await who.sign_in(anna, password="not this one")
    body = await tokens(application, who, anna, portal, SCOPE)
    again = (await refresh(application, portal, body["refresh_token"])).json()
    await refresh(application, portal, body["refresh_token"])
    async with application.http() as http:
        form = {"token": again["access_token"], "client_id": portal.client.client_id}
        await http.post("/oauth/revoke", data=form)
    await who.open("/account")
    await who.submit("/logout")
    await who.http.aclose()
    assert await told(clinic) >= {
        ("login", False),
        ("login", True),
        ("authorization", True),
        ("token-issued", True),
        ("token-refreshed", True),
        ("refresh-reused", False),
        ("token-revoked", True),
        ("logout", True),
    }


async def test_what_administrators_change(application, clinic):
    console = await add_client(clinic, name="Console", scope="openid rapport/admin user/*.cruds")
    tess = await add_person(clinic, "tess", "therapist", fhir_user="Practitioner/tess")
    async with bearer(application, clinic, console, "admin") as http:
        where = f"/admin/users/{tess.account_id}"
        changed = await http.patch(where, json={"role": "supervisor"})
        assert changed.status_code == 200, changed.text
        await http.patch(where, json={"enabled": False})
        await http.patch("/admin/tenant", json={"implicit_policy": "deny"})
        await http.patch("/admin/tenant", json={"time_zone": "Asia/Riyadh"})
        await http.get("/admin/users")
        person = {"username": "new", "name": "New", "role": "reception"}
        assert (await http.post("/admin/users", json=person)).status_code == 201
    assert await told(clinic) >= {
        ("role-changed", True),
        ("account-disabled", True),
        ("policy-changed", True),
        ("settings-changed", True),
        ("account-created", True),
        ("invitation-created", True),
        ("operation", True),
    }


async def test_who_is_no_administrator(application, clinic):
    console = await add_client(clinic, name="Console", scope="openid rapport/admin user/*.cruds")
    async with bearer(application, clinic, console, "clinical_lead") as http:
        assert (await http.get("/admin/users")).status_code == 403
    assert ("request", False) in await told(clinic)


async def test_keys_that_turn_and_the_log_that_is_read(application, clinic):
    from app.services.audit_keys import LogKeys, rotate_log_key

    services = application.services
    keys = LogKeys(
        root=services.root, clock=services.clock, ids=RandomIds(), base_url="https://rapport.test"
    )
    await rotate_log_key(services.units, keys, services.trail)
    assert ("key-rotated", True) in await told(clinic, tenant=HOME)
    auditor = await clinic.as_client("system/AuditEvent.rs", role="auditor")
    assert (await auditor.get("AuditEvent")).status_code == 200
    assert (await auditor.get("https://rapport.test/audit/entries")).status_code == 200
    stranger = await clinic.as_client("system/Patient.rs", name="Other")
    assert (await stranger.get("https://rapport.test/audit/entries")).status_code == 403
    assert await told(clinic) >= {
        ("search-type", True), ("audit-used", True), ("audit-used", False),
    }  # fmt: skip
