"""A program that several clinics share: whoever signs in is in their own clinic, and only there."""

import pytest

from app.core.errors import AppError
from app.db.engine import UniqueViolation
from app.security.oauth.registration import share_client
from tests.support.application import clinic_of
from tests.support.people import (
    CALLBACK,
    add_client,
    add_person,
    authorize_url,
    authorized,
    browser,
    redeem,
    refresh,
)

SCOPE = "openid fhirUser offline_access launch/patient patient/*.rs"
PATIENT = {"resourceType": "Patient", "id": "anna", "name": [{"family": "Ek"}]}


@pytest.fixture
async def two(application, clinic):
    """The same person's id in two clinics, and who signs in for it in each."""
    async with clinic_of(application) as other:
        people = []
        for each, family in ((clinic, "Ek"), (other, "Al")):
            patient = {**PATIENT, "name": [{"family": family}]}
            assert (await each.http.put("Patient/anna", json=patient)).status_code == 201
            people.append(await add_person(each, "anna", "client", fhir_user="Patient/anna"))
        yield clinic, other, people


async def shared(clinic, other, **fields):
    program = await add_client(clinic, **fields)
    async with clinic.application.services.authorization.units.write() as unit:
        await share_client(unit.accounts, program.client, tenant=other.tenant.id)
    return program


async def signed_in(application, person, program, **proof):
    who = browser(application)
    try:
        code = (await authorized(who, person, program, SCOPE))["code"]
    finally:
        await who.http.aclose()
    answer = await redeem(application, program, code, **proof)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def family_seen(application, token):
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        found = (await http.get("/fhir/Patient")).json()
    return [entry["resource"]["name"][0]["family"] for entry in found["entry"]]


async def test_each_person_sees_their_own_clinic(application, two):
    clinic, other, people = two
    program = await shared(clinic, other)
    for person, family in zip(people, ("Ek", "Al"), strict=True):
        got = await signed_in(application, person, program)
        assert await family_seen(application, got["access_token"]) == [family]
        again = (await refresh(application, program, got["refresh_token"])).json()
        assert await family_seen(application, again["access_token"]) == [family]


async def test_a_secret_holds_for_both_and_tokens_are_told_of(application, two):
    clinic, other, people = two
    program = await shared(clinic, other, kind="confidential", with_secret=True)
    proof = {"client_id": program.client.client_id, "client_secret": program.secret}
    async with application.http() as http:
        for person in people:
            got = await signed_in(application, person, program, client_secret=program.secret)
            for token in (got["access_token"], got["refresh_token"]):
                told = await http.post("/oauth/introspect", data={**proof, "token": token})
                assert told.json()["active"] is True
            await http.post("/oauth/revoke", data={**proof, "token": got["access_token"]})
            told = await http.post(
                "/oauth/introspect", data={**proof, "token": got["access_token"]}
            )
            assert told.json() == {"active": False}
            wrong = {**proof, "client_secret": "another", "token": got["refresh_token"]}
            assert (await http.post("/oauth/introspect", data=wrong)).status_code == 401


async def test_closing_it_in_one_clinic_leaves_the_other_s(application, two):
    clinic, other, people = two
    program = await shared(clinic, other)
    here, there = [await signed_in(application, person, program) for person in people]
    services = application.services
    async with services.authorization.units.write() as unit:
        await unit.accounts.clients.set_enabled(program.client, enabled=False)
    async with application.http() as http:
        for got, status in ((here, 401), (there, 200)):
            named = {"Authorization": f"Bearer {got['access_token']}"}
            assert (await http.get("/fhir/Patient", headers=named)).status_code == status
    assert (await refresh(application, program, here["refresh_token"])).status_code == 401
    assert (await refresh(application, program, there["refresh_token"])).status_code == 200


async def test_an_address_of_the_other_clinic_s_is_not_one_s_own(application, two):
    clinic, other, people = two
    program = await shared(clinic, other)
    evil = "https://evil.example/callback"
    async with application.services.authorization.units.write() as unit:
        await unit.connection.execute(_moved(other.tenant.id, program.client.client_id, evil))
    who = browser(application)
    await who.open(authorize_url(program, SCOPE, redirect_uri=evil))
    page = await who.sign_in(people[0])
    await who.http.aclose()
    assert page.status_code == 400
    assert "location" not in page.headers
    assert CALLBACK not in page.text


async def test_only_what_people_sign_in_to_is_shared_and_once(application, two):
    clinic, other, _ = two
    program = await shared(clinic, other)
    units = application.services.authorization.units
    with pytest.raises(AppError):
        async with units.write() as unit:
            await share_client(unit.accounts, program.client, tenant=other.tenant.id)
    async with units.read() as unit:
        backend = await unit.accounts.clients.find(clinic.ehr.client_id, tenant=clinic.tenant.id)
    with pytest.raises(AppError):
        async with units.write() as unit:
            await share_client(unit.accounts, backend, tenant=other.tenant.id)


async def test_nobody_registers_under_another_s_name(application, two):
    clinic, other, _ = two
    program = await add_client(clinic)
    with pytest.raises(UniqueViolation):
        await add_client(other, client_id=program.client.client_id)


def _moved(tenant, client_id, address):
    import json

    from sqlalchemy import update

    from app.db.tables.accounts import client

    return (
        update(client)
        .where(client.c.tenant == tenant, client.c.client_id == client_id)
        .values(redirect_uris=json.dumps([address]))
    )
