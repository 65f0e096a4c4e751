"""Passkeys: a second factor that no page elsewhere can ask for and nobody can replay."""

import re

import pytest

from tests.support.application import ORIGIN
from tests.support.authenticator import Authenticator
from tests.support.people import add_person, browser, forms


@pytest.fixture
async def therapist(clinic):
    return await add_person(clinic, "pat", "therapist", fhir_user="Practitioner/pat")


@pytest.fixture
async def at_home(application):
    who = browser(application)
    yield who
    await who.http.aclose()


@pytest.fixture
def key():
    return Authenticator("rapport.test", ORIGIN)


async def send(who, path, body):
    token = re.search(r'data-token="(\w+)"', who.page.text)[1]
    return await who.http.post(path, json=body, headers={"X-Form-Token": token})


async def enrolled(who, therapist, key):
    await who.open("/login?next=/account")
    await who.sign_in(therapist)
    assert "script-src 'self'" in who.page.headers["content-security-policy"]
    options = (await send(who, "/account/passkey/options", {})).json()
    made = await send(who, "/account/passkey", key.create(options))
    assert made.status_code == 200, made.text
    assert (await who.open("/account")).status_code == 200
    await who.submit("/logout")


async def asked(who, therapist):
    await who.open("/login?next=/account")
    page = await who.sign_in(therapist)
    assert forms(page)[0].action == "/login/second"
    return (await send(who, "/login/passkey/options", {})).json()


async def test_a_passkey_completes_a_session_once(application, therapist, at_home, key):
    await enrolled(at_home, therapist, key)
    answer = key.get(await asked(at_home, therapist))
    assert (await send(at_home, "/login/passkey", answer)).status_code == 200
    page = await at_home.open("/account")
    assert "second step is on" in page.text
    await at_home.submit("/logout")
    await asked(at_home, therapist)
    assert (await send(at_home, "/login/passkey", answer)).status_code == 401


async def test_another_site_s_answer_is_refused(application, therapist, at_home, key):
    await enrolled(at_home, therapist, key)
    options = await asked(at_home, therapist)
    key.origin = "https://rapport.test.evil.example"
    assert (await send(at_home, "/login/passkey", key.get(options))).status_code == 401


async def test_a_counter_that_stands_still_is_a_clone(application, therapist, at_home, key):
    await enrolled(at_home, therapist, key)
    options = await asked(at_home, therapist)
    assert (await send(at_home, "/login/passkey", key.get(options))).status_code == 200
    await at_home.open("/account")
    await at_home.submit("/logout")
    key.count = 0
    options = await asked(at_home, therapist)
    assert (await send(at_home, "/login/passkey", key.get(options))).status_code == 401


async def test_another_key_is_refused(application, therapist, at_home, key):
    await enrolled(at_home, therapist, key)
    options = await asked(at_home, therapist)
    other = Authenticator("rapport.test", ORIGIN, count=10)
    assert (await send(at_home, "/login/passkey", other.get(options))).status_code == 401


async def test_a_challenge_is_its_person_s(application, clinic, therapist, at_home, key):
    await enrolled(at_home, therapist, key)
    options = await asked(at_home, therapist)
    other_person = await add_person(clinic, "eve", "therapist", fhir_user="Practitioner/eve")
    other_key = Authenticator("rapport.test", ORIGIN)
    elsewhere = browser(application)
    await enrolled(elsewhere, other_person, other_key)
    await asked(elsewhere, other_person)
    stolen = await send(elsewhere, "/login/passkey", other_key.get(options))
    assert stolen.status_code == 401
    await elsewhere.http.aclose()


@pytest.mark.parametrize("body", [{}, {"response": {}}, {"response": {"clientDataJSON": "!"}}, []])
async def test_what_is_no_answer_is_refused(therapist, at_home, key, body):
    await enrolled(at_home, therapist, key)
    await asked(at_home, therapist)
    assert (await send(at_home, "/login/passkey", body)).status_code == 401


async def test_a_request_needs_the_form_s_token(therapist, at_home):
    await at_home.open("/login?next=/account")
    await at_home.sign_in(therapist)
    for headers in ({}, {"X-Form-Token": "0" * 64}):
        answer = await at_home.http.post("/account/passkey/options", json={}, headers=headers)
        assert answer.status_code == 403
