"""What somebody who had a person's account left behind ends once it is the person's again."""

from __future__ import annotations

import asyncio

import pytest

from app.security.people import give_back
from tests.http.answers import made, ok, refused, resources
from tests.http.resources import episode, patient
from tests.http.test_oauth_staff import token_of
from tests.http.test_subscriptions_socket import POLICY
from tests.http.test_subscriptions_socket import subscribed as by_socket
from tests.http.test_subscriptions_socket import token as binding_token
from tests.http.test_whose_links import address, issue, send, task
from tests.support import therapy
from tests.support.people import PASSWORD, add_client, browser, forms
from tests.support.sockets import socket
from tests.support.staff import person
from tests.support.subscribing import subscribe, subscription

NEW = "four slow winter trains"
OFFLINE = "openid offline_access user/*.cruds"
CONSOLE = "openid rapport/admin"
WAYS = ("link", "invitation", "factor")


async def choose(application, link):
    """Somebody opens a link and chooses a password."""
    who = browser(application)
    await who.open(link)
    path = link.removeprefix("https://rapport.test")
    assert (await who.submit(path, password=NEW, again=NEW)).status_code == 200
    await who.http.aclose()


async def by_admin(clinic, send_to):
    """What an administrator's program asks for at ``/admin``."""
    application = clinic.application
    console = await add_client(clinic, name="Console", scope=CONSOLE)
    token = await token_of(application, clinic, console, "root", "admin", scope=CONSOLE)
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        answer = await send_to(http)
    assert answer.is_success, answer.text
    return answer.json()


async def reset(clinic, account, way="link"):
    """The account is given back to its person."""
    application, where = clinic.application, f"/admin/users/{account.account_id}"
    if way == "factor":
        await by_admin(clinic, lambda http: http.patch(where, json={"reset_second_factor": True}))
        return
    if way == "invitation":
        invited = await by_admin(clinic, lambda http: http.post(f"{where}/invitation"))
        link = invited["invitation"]
    else:
        services = application.services
        async with services.units.accounts.write() as unit:
            link = await services.authorization.links.make(unit.accounts, account, purpose="reset")
    await choose(application, link)


async def begins(clinic):
    """A course begins, of which subscribers are told."""
    whose = made(await clinic.http.post("Patient", json=patient()))
    return made(await clinic.http.post("EpisodeOfCare", json=episode(whose)))


async def events_of(clinic, where):
    """What the log has of a Subscription: what was done, newest first."""
    await clinic.settle()
    auditor = await clinic.as_client("system/AuditEvent.rs", role="auditor")
    found = resources(ok(await auditor.get("AuditEvent", params={"entity": where})))
    return [one["subtype"][0]["code"] for one in found]


@pytest.mark.parametrize("way", WAYS)
async def test_a_hook_that_was_left_behind_is_off(local, receiver, way):
    lead = await person(local, "clinical_lead", "Practitioner/lea")
    subscribed = await subscribe(local, receiver, "episode-status", await lead.signs_in(OFFLINE))
    await begins(local)
    assert len(await subscribed.deliver()) == 1
    before = await events_of(local, subscribed.where)
    await reset(local, lead.account, way)
    await begins(local)
    assert await subscribed.deliver() == []
    kept = ok(await local.http.get(subscribed.where))
    assert (kept["status"], kept["error"]) == ("off", "it has ended")
    after = await events_of(local, subscribed.where)
    assert after.count("update") == before.count("update") + 1


async def test_one_whose_endpoint_had_failed_is_off_too(local, receiver):
    lead = await person(local, "clinical_lead", "Practitioner/lea")
    subscribed = await subscribe(local, receiver, "episode-status", await lead.signs_in(OFFLINE))
    await begins(local)
    receiver.default = 503
    for _ in range(2):
        await subscribed.deliver()
        local.application.clock.turn(seconds=local.application.settings.subscription_retry_seconds)
    local.http.headers["Authorization"] = f"Bearer {await local.ehr.token()}"
    assert ok(await local.http.get(subscribed.where))["status"] == "error"
    await reset(local, lead.account)
    assert await subscribed.deliver() == []
    assert ok(await local.http.get(subscribed.where))["status"] == "off"


@pytest.mark.parametrize("way", WAYS)
async def test_a_socket_that_was_left_open_is_closed(clinic, way):
    lead = await person(clinic, "clinical_lead", "Practitioner/lea")
    http = await lead.signs_in(OFFLINE)
    where = await by_socket(clinic, http)
    bound, later = [(await binding_token(http))["token"] for _ in range(2)]
    async with socket(clinic.application) as opened:
        await opened.say(f"bind-with-token: {bound}")
        assert (await opened.next()).type == "handshake"
        await reset(clinic, lead.account, way)
        await begins(clinic)
        await clinic.application.deliver()
        assert await opened.closed() == POLICY
    async with socket(clinic.application) as again:
        await again.say(f"bind-with-token: {later}")
        assert await again.closed() == POLICY
    assert ok(await clinic.http.get(where))["status"] == "off"


@pytest.mark.parametrize("whose", ["another person", "a system"])
async def test_what_others_asked_for_goes_on(local, receiver, whose):
    lead = await person(local, "clinical_lead", "Practitioner/lea")
    await lead.signs_in(OFFLINE)
    http = local.http
    if whose == "another person":
        http = await (await person(local, "clinical_lead", "Practitioner/lou")).signs_in(OFFLINE)
    subscribed = await subscribe(local, receiver, "episode-status", http)
    await reset(local, lead.account)
    await begins(local)
    assert len(await subscribed.deliver()) == 1


@pytest.mark.parametrize("way", WAYS)
async def test_a_link_that_speaks_for_the_person_ends_and_one_for_a_client_stays(
    clinic, at_home, way
):
    course = await therapy.begin(clinic)
    therapist = await person(clinic, "therapist", course.therapist)
    http = await therapist.signs_in()
    own, theirs = [
        address(await issue(clinic, http, await task(http, course, whose)))
        for whose in (course.therapist, course.patient)
    ]
    await reset(clinic, therapist.account, way)
    assert (await at_home.http.get(own)).status_code == 404
    assert (await send(at_home, theirs)).status_code == 200


async def test_a_client_s_new_password_ends_no_link_that_the_clinic_sent_them(clinic, at_home):
    course = await therapy.begin(clinic)
    client = await person(clinic, "client", course.patient)
    link = address(
        await issue(clinic, course.http, await task(course.http, course, course.patient))
    )
    await reset(clinic, client.account)
    assert (await send(at_home, link)).status_code == 200


@pytest.mark.parametrize("way", ["link", "invitation"])
async def test_a_second_factor_outlives_a_password(application, clinic, way):
    lead = await person(clinic, "clinical_lead", "Practitioner/lea")
    await reset(clinic, lead.account, way)
    who = browser(application)
    assert (await who.sign_in(lead.account, PASSWORD)).status_code == 401
    assert forms(await who.sign_in(lead.account, NEW))[0].action == "/login/second"
    await who.http.aclose()


async def meanwhile(clinic, account, asking):
    """What comes of a request that is under way while the account is given back."""
    services = clinic.application.services
    async with services.units.accounts.write() as unit:
        await give_back(unit.accounts, account, now=services.clock.now())
        under_way = asyncio.create_task(asking)
        # It is done, or waits for the reset; either way it has looked at its token by then.
        await asyncio.wait({under_way}, timeout=2)
    return await under_way


async def test_no_hook_is_left_that_was_under_way(local, receiver):
    lead = await person(local, "clinical_lead", "Practitioner/lea")
    http = await lead.signs_in(OFFLINE)
    asked = subscription("episode-status", receiver.url)
    answer = await meanwhile(local, lead.account, http.post("Subscription", json=asked))
    refused(answer, 401, "login")
    await local.application.deliver()
    assert receiver.posts == []
    assert resources(ok(await local.http.get("Subscription"))) == []


async def test_no_link_is_left_that_was_under_way(clinic):
    course = await therapy.begin(clinic)
    therapist = await person(clinic, "therapist", course.therapist)
    http = await therapist.signs_in()
    own = await task(http, course, course.therapist)
    refused(await meanwhile(clinic, therapist.account, issue(clinic, http, own)), 401, "login")
