"""Two processes on one database: what one takes away, the other refuses on its next request."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from app.core.clock import SECOND
from app.security import jose
from app.security.keyring import rotate_signing_key
from app.security.people import change_role, close_account
from tests.support.application import clinic_of, running
from tests.support.hooks import ALERTS, claims, signed, view
from tests.support.people import (
    add_client,
    add_person,
    answered,
    authorize_url,
    browser,
    forms,
    redeem,
    refresh,
)

SCOPE = "openid offline_access launch/patient patient/*.rs"


@pytest.fixture
async def processes(databases, dialect, tmp_path):
    database = await databases.make(dialect)
    async with (
        running(database, tmp_path) as first,
        running(database, tmp_path, clock=first.clock) as second,
        clinic_of(first) as clinic,
    ):
        made = await clinic.http.put("Patient/anna", json={"resourceType": "Patient", "id": "anna"})
        assert made.status_code == 201
        yield first, second, clinic
    await databases.drop(database)


@asynccontextmanager
async def person_at(first, clinic, portal, username):
    """A client of the clinic with a session and tokens, all of the first process."""
    account = await add_person(clinic, username, "client", fhir_user="Patient/anna")
    who = browser(first)
    await who.open(authorize_url(portal, SCOPE))
    await who.sign_in(account)
    answer = answered(await who.submit("/oauth/approve", decision="allow"))
    tokens = (await redeem(first, portal, answer["code"])).json()
    try:
        yield account, who, tokens
    finally:
        await who.http.aclose()


async def status(application, token):
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        return (await http.get("/fhir/Patient/anna")).status_code


async def test_what_one_process_takes_away_another_refuses_at_once(processes):
    first, second, clinic = processes
    portal = await add_client(clinic)
    units, now = first.services.authorization.units, first.clock.now

    async def revoke(account, tokens):
        async with first.http() as http:
            form = {"token": tokens["access_token"], "client_id": portal.client.client_id}
            assert (await http.post("/oauth/revoke", data=form)).status_code == 200

    async def close(account, tokens):
        async with units.write() as unit:
            await close_account(unit.accounts, account, now=now())

    async def demote(account, tokens):
        async with units.write() as unit:
            await change_role(
                unit.accounts, account, role="reception", fhir_user="Practitioner/x", now=now()
            )

    async def another_password(account, tokens):
        links = first.services.authorization.links
        async with units.write() as unit:
            address = await links.make(unit.accounts, account, purpose="reset")
        who = browser(first)
        await who.open(address)
        path = address.removeprefix("https://rapport.test")
        new = "four slow winter trains"
        assert (await who.submit(path, password=new, again=new)).status_code == 200
        await who.http.aclose()

    async def use_twice(account, tokens):
        spent = tokens["refresh_token"]
        assert (await refresh(first, portal, spent)).status_code == 200
        assert (await refresh(second, portal, spent)).status_code == 400

    async def shut_the_program(account, tokens):
        async with units.write() as unit:
            await unit.accounts.clients.set_enabled(portal.client, enabled=False)

    for number, take_away in enumerate(
        (revoke, close, demote, another_password, use_twice, shut_the_program)
    ):
        async with person_at(first, clinic, portal, f"anna-{number}") as (account, who, tokens):
            token = tokens["access_token"]
            for application in (first, second, second):  # the other has seen it, and keeps it
                assert await status(application, token) == 200
            await take_away(account, tokens)
            assert await status(second, token) == 401, take_away.__name__
            assert await status(first, token) == 401, take_away.__name__
            if take_away not in (revoke, use_twice):
                assert (await refresh(second, portal, tokens["refresh_token"])).status_code in (
                    400, 401,
                )  # fmt: skip
            if take_away in (close, demote, another_password):
                elsewhere = browser(second)
                elsewhere.http.cookies = who.http.cookies
                page = await elsewhere.open("/account")
                assert forms(page)[0].action == "/login"
                await elsewhere.http.aclose()


async def test_a_key_that_one_process_made_is_known_to_the_other(processes):
    first, second, clinic = processes
    before = await clinic.ehr.token()
    assert await status(second, before) == 200
    async with first.services.authorization.units.write() as unit:
        await rotate_signing_key(
            unit.accounts.keys,
            root=first.services.root,
            now=first.clock.now(),
            publish_for=0,
            overlap=700 * SECOND,
        )
    first.clock.turn(seconds=61)  # until the first process looks again which key is active
    after = await clinic.ehr.token()
    assert jose.read(after).kid != jose.read(before).kid
    for token in (before, after):  # the old key stands until its tokens have ended
        assert await status(first, token) == 200
        assert await status(second, token) == 200


async def test_a_signed_call_is_good_once_at_whichever_process(processes):
    first, second, clinic = processes
    token = signed(clinic.ehr, claims(clinic.ehr, ALERTS))
    headers = {"Authorization": f"Bearer {token}"}
    statuses = []
    for application in (second, first, second):
        async with application.http(headers=headers) as http:
            body = view("Patient/anna", "Practitioner/nobody")
            statuses.append((await http.post(f"/cds-services/{ALERTS}", json=body)).status_code)
    assert statuses == [200, 401, 401]


async def test_of_two_calls_with_one_token_at_a_time_one_is_answered(processes):
    first, second, clinic = processes
    body = view("Patient/anna", "Practitioner/nobody")
    for _ in range(5):
        token = signed(clinic.ehr, claims(clinic.ehr, ALERTS))
        headers = {"Authorization": f"Bearer {token}"}
        async with first.http(headers=headers) as one, second.http(headers=headers) as other:
            answers = await asyncio.gather(
                *(http.post(f"/cds-services/{ALERTS}", json=body) for http in (one, other) * 2)
            )
        assert sorted(each.status_code for each in answers) == [200, 401, 401, 401]
