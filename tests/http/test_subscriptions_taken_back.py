"""Whoever takes back what a program was allowed is told for by it no more."""

from __future__ import annotations

import pytest

from tests.http.answers import made, ok
from tests.http.resources import episode, patient
from tests.support.people import authorized, browser, code_now, redeem, refresh
from tests.support.staff import Person, person, with_token
from tests.support.subscribing import subscribe

OFFLINE = "openid offline_access user/*.cruds"


async def take_back(lead: Person) -> None:
    """The person signs in at a browser and takes all programs back."""
    application = lead.clinic.application
    assert lead.secret is not None
    application.clock.turn(seconds=60)  # a code of the second factor is good once
    who = browser(application)
    await who.open("/login")
    await who.sign_in(lead.account)
    await who.submit("/login/second", code=code_now(application, lead.secret))
    await who.open("/account")
    assert (await who.submit("/account/programs")).status_code == 200
    await who.http.aclose()


async def begins(clinic) -> None:
    """A course begins, of which subscribers are told."""
    whose = made(await clinic.http.post("Patient", json=patient()))
    made(await clinic.http.post("EpisodeOfCare", json=episode(whose)))


async def test_a_program_that_was_taken_back_is_told_nothing_more(local, receiver):
    lead = await person(local, "clinical_lead", "Practitioner/lea")
    subscribed = await subscribe(local, receiver, "episode-status", await lead.signs_in(OFFLINE))
    await begins(local)
    assert len(await subscribed.deliver()) == 1
    await take_back(lead)
    await begins(local)
    assert await subscribed.deliver() == []
    kept = ok(await local.http.get(subscribed.where))
    assert kept["status"] == "off"


@pytest.mark.parametrize("twice", ["code", "refresh token"])
async def test_what_somebody_asked_for_whose_token_is_used_twice_ends(local, receiver, twice):
    """It may have been stolen, and what it left behind with it."""
    lead, application = await person(local, "clinical_lead", "Practitioner/lea"), local.application
    assert lead.secret is not None
    who = browser(application)
    second = code_now(application, lead.secret)
    code = (await authorized(who, lead.account, lead.program, OFFLINE, code=second))["code"]
    await who.http.aclose()
    tokens = ok(await redeem(application, lead.program, code))
    http = with_token(local, tokens["access_token"])
    subscribed = await subscribe(local, receiver, "episode-status", http)
    await begins(local)
    assert len(await subscribed.deliver()) == 1
    if twice == "code":
        again = await redeem(application, lead.program, code)
    else:
        ok(await refresh(application, lead.program, tokens["refresh_token"]))
        again = await refresh(application, lead.program, tokens["refresh_token"])
    assert again.status_code == 400
    await begins(local)
    assert await subscribed.deliver() == []
    assert ok(await local.http.get(subscribed.where))["status"] == "off"


@pytest.mark.parametrize("whose", ["another person", "a system"])
async def test_what_others_asked_for_by_it_goes_on(local, receiver, whose):
    lead = await person(local, "clinical_lead", "Practitioner/lea")
    await lead.signs_in(OFFLINE)
    if whose == "another person":
        other = await person(local, "clinical_lead", "Practitioner/lou")
        http = await Person(local, other.account, other.secret, lead.program).signs_in(OFFLINE)
    else:
        http = local.http
    subscribed = await subscribe(local, receiver, "episode-status", http)
    await take_back(lead)
    await begins(local)
    assert len(await subscribed.deliver()) == 1
