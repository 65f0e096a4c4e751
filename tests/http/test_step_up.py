"""Dangerous acts: a sign-in of the last five minutes, with the second factor (RFC 9470)."""

from contextlib import asynccontextmanager

import pytest
from sqlalchemy import update

from app.db.engine import Statement
from app.db.tables.authorizations import access_grant
from tests.support.people import (
    add_client,
    add_person,
    answered,
    authorize_url,
    browser,
    code_now,
    enrol,
    forms,
    redeem,
)

STALE = 301
# Every act of the administrator's API, by the route's own path.
ADMINISTRATION = {
    ("GET", "/admin/roles"),
    ("GET", "/admin/clients"),
    ("POST", "/admin/clients"),
    ("PATCH", "/admin/clients/{client_id}"),
    ("POST", "/admin/providers"),
    ("GET", "/admin/users"),
    ("POST", "/admin/users"),
    ("POST", "/admin/users/{account_id}/invitation"),
    ("PATCH", "/admin/users/{account_id}"),
    ("GET", "/admin/tenant"),
    ("PATCH", "/admin/tenant"),
}
BEARER = [
    *[(method, path, "admin") for method, path in sorted(ADMINISTRATION)],
    ("POST", "/fhir/Patient/anna/$break-glass", "clinical_lead"),
]
GLASS = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueCode": "ETREAT"}]}


def routes(app, prefix):
    found, todo = set(), [("", app.router)]
    while todo:
        before, router = todo.pop()
        for route in router.routes:
            inner = getattr(route, "original_router", None)
            if inner is not None:
                todo.append((before + route.include_context.prefix, inner))
            elif (before + getattr(route, "path", "")).startswith(prefix):
                methods = getattr(route, "methods", {"HEAD"}) - {"HEAD"}  # a socket has none
                found |= {(method, before + route.path) for method in methods}
    return found


@pytest.fixture
async def console(clinic):
    return await add_client(clinic, name="Console", scope="openid rapport/admin user/*.cruds")


@asynccontextmanager
async def signed_in(application, account):
    """A person's browser, after both factors."""
    secret = await enrol(application, account)
    who = browser(application)
    await who.sign_in(account)
    await who.submit("/login/second", code=code_now(application, secret))
    try:
        yield who
    finally:
        await who.http.aclose()


@asynccontextmanager
async def bearer(application, clinic, console, role):
    """The FHIR and administrator's API with a fresh token of a person with both factors."""
    person = None if role == "admin" else "Practitioner/pat"
    account = await add_person(clinic, "pat", role, fhir_user=person)
    async with signed_in(application, account) as who:
        await who.open(authorize_url(console, "openid rapport/admin user/*.cruds"))
        answer = answered(await who.submit("/oauth/approve", decision="allow"))
    token = (await redeem(application, console, answer["code"])).json()["access_token"]
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        yield http


def is_asked_again(answer):
    assert answer.status_code == 401, (answer.request.url, answer.text)
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_user_authentication"' in challenge
    assert 'max_age="300"' in challenge
    return True


def test_the_table_names_every_act_of_the_administrator(application):
    assert routes(application.app, "/admin") == ADMINISTRATION


@pytest.mark.parametrize("role", ["admin", "clinical_lead"])
async def test_an_act_takes_a_recent_sign_in_with_the_second_factor(
    application, clinic, console, role
):
    acts = [(method, path) for method, path, who in BEARER if who == role]
    async with bearer(application, clinic, console, role) as http:
        for method, path in acts:  # fresh and whole: whatever else may be wrong with it
            answer = await http.request(method, path, json=GLASS)
            assert answer.status_code not in (401, 403), (path, answer.text)
        application.clock.turn(seconds=STALE)
        for method, path in acts:
            assert is_asked_again(await http.request(method, path, json=GLASS))
        application.clock.turn(seconds=-STALE)
        async with application.services.authorization.units.write() as unit:
            password_only = update(access_grant).where(access_grant.c.tenant == clinic.tenant.id)
            await unit.accounts.grants._connection.execute(
                Statement(password_only.values(amr="pwd")), {}
            )
        for method, path in acts:
            assert is_asked_again(await http.request(method, path, json=GLASS))


@pytest.mark.parametrize(
    "role, path",
    [
        ("client", "/account/second"),
        ("auditor", "/audit/export.csv?since=2026-01-01"),
        ("auditor", "/audit/export.ndjson"),
    ],
)
async def test_a_page_asks_for_a_new_sign_in(application, clinic, role, path):
    fhir_user = "Patient/pat" if role == "client" else None
    account = await add_person(clinic, "pat", role, fhir_user=fhir_user)
    async with signed_in(application, account) as who:
        assert (await who.http.get(path)).status_code == 200
        application.clock.turn(seconds=STALE)
        page = await who.open(path)
        assert [form.action for form in forms(page)][:1] == ["/login"]


async def test_a_passkey_is_added_after_a_recent_sign_in_only(application, clinic):
    account = await add_person(clinic, "pat", "client", fhir_user="Patient/pat")
    async with signed_in(application, account) as who:
        page = await who.open("/account/second")
        headers = {"X-Form-Token": forms(page)[0].fields["token"]}
        fresh = await who.http.post("/account/passkey/options", headers=headers)
        assert fresh.status_code == 200
        application.clock.turn(seconds=STALE)
        for path in ("/account/passkey/options", "/account/passkey"):
            assert (await who.http.post(path, headers=headers)).status_code == 403


async def test_looking_at_the_second_step_s_page_changes_nothing(application, clinic):
    """Any site can send a browser there: the factor that counts must go on counting."""
    account = await add_person(clinic, "pat", "client", fhir_user="Patient/pat")
    async with signed_in(application, account) as who:
        assert (await who.open("/account/second")).status_code == 200
    other = browser(application)
    page = await other.sign_in(account)
    assert "/login/second" in [form.action for form in forms(page)]
    await other.http.aclose()


async def test_a_key_that_another_session_was_shown_is_not_taken(application, clinic):
    pat = await add_person(clinic, "pat", "client", fhir_user="Patient/pat")
    mallory = await add_person(clinic, "mallory", "client", fhir_user="Patient/mallory")
    thief, victim = browser(application), browser(application)
    await thief.sign_in(mallory)
    shown = await thief.open("/account/second")
    await victim.sign_in(pat)
    await victim.open("/account/second")
    offer = next(f.fields["offer"] for f in forms(shown) if "offer" in f.fields)
    answer = await victim.submit("/account/second", offer=offer, code="000000")
    assert next(f.fields["offer"] for f in forms(answer) if "offer" in f.fields) != offer
    for who in (thief, victim):
        await who.http.aclose()
