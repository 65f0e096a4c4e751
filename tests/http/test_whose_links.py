"""A link speaks for the client whom a form is for, or for whoever made it: for nobody else."""

from __future__ import annotations

import pytest

from app.core.clock import SECOND, format_instant
from tests.http.answers import made, ok, refused
from tests.http.resources import BASE
from tests.support import therapy
from tests.support.asking import PULSE, asking
from tests.support.operations import one
from tests.support.people import forms
from tests.support.staff import signed_in

ELSEWHERE = "https://elsewhere.example.org/fhir"
OTHER = "Practitioner/theo"
IN_AN_HOUR = 3600 * SECOND


@pytest.fixture
async def course(clinic):
    """A course of a therapist's, in whose team theo treats the client too."""
    begun = await therapy.begin(clinic)
    await begun.put({"resourceType": "Practitioner", "id": "theo"})
    team = {"resourceType": "CareTeam", "id": "team", "status": "active"}
    members = [{"member": {"reference": each}} for each in (begun.therapist, OTHER)]
    await begun.put({**team, "subject": {"reference": begun.patient}, "participant": members})
    return begun


@pytest.fixture
async def therapist(clinic, course):
    return await signed_in(clinic, "therapist", course.therapist)


async def task(who, course, owner, form="asc-pulse"):
    named = {"owner": {"reference": owner}} if isinstance(owner, str) else {"owner": owner}
    return made(await who.post("Task", json=asking(course.patient, form, **named)))


async def issue(clinic, who, asks, *, kiosk=False):
    ends = format_instant(clinic.application.clock.now() + IN_AN_HOUR)
    given = [
        {"name": "expires", "valueDateTime": ends},
        {"name": "kiosk", "valueBoolean": kiosk},
    ]
    body = {"resourceType": "Parameters", "parameter": given}
    return await who.post(f"{asks}/$issue-link", json=body)


def address(answer):
    return one(ok(answer))["url"].removeprefix("https://rapport.test")


async def voices(course):
    found = ok(await course.http.get("QuestionnaireResponse", params={"subject": course.patient}))
    return [
        (each["resource"]["author"]["reference"], each["resource"]["source"]["reference"])
        for each in found.get("entry", ())
    ]


async def send(at_home, link):
    page = await at_home.http.get(link)
    assert page.status_code == 200
    token = forms(page)[0].fields["token"]
    return await at_home.http.post(link, data={"token": token, **PULSE})


@pytest.mark.parametrize("kiosk", [False, True])
@pytest.mark.parametrize("owner", [OTHER, f"{BASE}/{OTHER}", f"{OTHER}/_history/1"])
async def test_nobody_makes_a_link_in_a_colleagues_voice(clinic, course, therapist, owner, kiosk):
    asks = await task(therapist, course, owner)
    answer = await issue(clinic, therapist, asks, kiosk=kiosk)
    (problem,) = refused(answer, 422, "business-rule")
    assert problem["expression"] == ["Task.owner"]


@pytest.mark.parametrize(
    "owner",
    [
        f"{ELSEWHERE}/{OTHER}",
        "PractitionerRole/theo",
        "RelatedPerson/partner",
        "Patient/partner",
        "Organization/clinic",
        {"display": "Theo"},
    ],
)
async def test_what_somebody_else_is_to_answer_is_not_the_clients_to(
    clinic, course, therapist, owner
):
    asks = await task(course.http, course, owner)
    for who in (therapist, course.http):
        (problem,) = refused(await issue(clinic, who, asks), 422, "business-rule")
        assert problem["expression"] == ["Task.owner"]


@pytest.mark.parametrize("form", ["{}", f"{BASE}/{{}}", "{}/_history/1"])
async def test_a_client_is_asked_however_they_are_named(clinic, course, therapist, at_home, form):
    asks = await task(therapist, course, form.format(course.patient))
    assert (await send(at_home, address(await issue(clinic, therapist, asks)))).status_code == 200
    assert await voices(course) == [(course.patient, course.patient)]


@pytest.mark.parametrize("form", ["{}", f"{BASE}/{{}}"])
async def test_a_therapist_has_a_link_to_their_own_form(clinic, course, therapist, at_home, form):
    asks = await task(therapist, course, form.format(course.therapist))
    assert (await send(at_home, address(await issue(clinic, therapist, asks)))).status_code == 200
    assert await voices(course) == [(course.therapist, course.therapist)]


async def test_who_may_not_write_answers_has_no_link_to_write_their_own(clinic, course):
    rita = await signed_in(clinic, "reception", "Practitioner/rita")
    asks = await task(course.http, course, "Practitioner/rita")
    refused(await issue(clinic, rita, asks), 403, "forbidden")
    hers = await task(course.http, course, course.patient)
    ok(await issue(clinic, rita, hers))


@pytest.mark.parametrize("before", ["the client", "the therapist"])
async def test_a_link_speaks_for_nobody_whom_its_task_names_later(
    clinic, course, therapist, at_home, before
):
    first = course.patient if before == "the client" else course.therapist
    asks = await task(therapist, course, first)
    link = address(await issue(clinic, therapist, asks))
    tree = ok(await therapist.get(asks))
    for later in (OTHER, f"{ELSEWHERE}/{OTHER}"):
        ok(await therapist.put(asks, json={**tree, "owner": {"reference": later}}))
        assert (await at_home.http.get(link)).status_code == 410
    page = await at_home.http.get("/login")
    token = page.text.split('name="token" value="')[1].split('"')[0]
    sent = await at_home.http.post(link, data={"token": token, **PULSE})
    assert sent.status_code == 410
    assert await voices(course) == []
