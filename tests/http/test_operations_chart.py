"""``$alliance-chart``: a picture that can be read in print, from the right, and without seeing."""

from __future__ import annotations

import struct

import pytest
from defusedxml.ElementTree import fromstring

from tests.http.answers import refused
from tests.support import therapy
from tests.support.staff import signed_in
from tests.support.therapy import asc, pulse

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
async def course(clinic):
    made = await therapy.begin(clinic)
    await made.sessions("asc-pulse", [pulse(s) for s in (15, 15, 16, 17, 10)])
    await made.sessions("asc-pulse", [None, pulse(17)])
    return made


async def svg(http, course, **query):
    answer = await http.get(f"{course.episode}/$alliance-chart", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "image/svg+xml"
    return fromstring(answer.content)


def text(root, name):
    return root.findtext(f"{SVG}{name}")


async def test_the_picture_tells_what_it_shows(course):
    root = await svg(course.http, course)
    assert root.get("role") == "img"
    names = root.get("aria-labelledby").split()
    assert [root.find(f"{SVG}title").get("id"), root.find(f"{SVG}desc").get("id")] == names
    assert text(root, "title") == "How the alliance moved"
    told = text(root, "desc")
    assert "Session 5 50.0" in told
    assert "No answer: 6" in told
    assert "Not validated" in told
    assert "Drop and return, 50.0 (held against 75.0). Repaired." in told


async def test_an_alert_is_told_where_it_stands(course):
    root = await svg(course.http, course)
    marks = [each for each in root.iter(f"{SVG}g") if (each.get("id") or "").startswith("alert-")]
    assert len(marks) == 2
    assert all(each.findtext(f"{SVG}title").startswith("Session 5: ") for each in marks)


async def test_a_page_with_a_strict_policy_can_hold_it(course):
    root = await svg(course.http, course)
    for each in root.iter():
        assert "style" not in each.attrib
        assert each.tag not in (f"{SVG}style", f"{SVG}script", f"{SVG}foreignObject")
        assert not [name for name in each.attrib if name.startswith("on")]
    assert any(each.text == "Session" for each in root.iter(f"{SVG}text"))


async def test_in_arabic_time_runs_from_the_right(course):
    root = await svg(course.http, course, language="ar")
    assert root.get("lang") == "ar"
    assert text(root, "title") == "مسار التحالف العلاجي"
    places = {
        each.text: float(each.get("x") or each.get("transform").split("(")[1].split()[0])
        for each in root.iter(f"{SVG}text")
        if each.text in ("2", "6")
    }
    assert places["2"] > places["6"]


async def test_a_picture_for_print(course):
    answer = await course.http.get(f"{course.episode}/$alliance-chart?format=png&language=ar")
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", answer.content[16:24])
    assert width >= 1200 and height >= 500


async def test_who_accepts_pictures_gets_one(course):
    path = f"{course.episode}/$alliance-chart"
    for accept, given in (
        ("image/svg+xml", "image/svg+xml"),
        ("image/*", "image/svg+xml"),
        ("*/*", "image/svg+xml"),
        ("image/png", "image/png"),
        ("image/svg+xml;q=0.5, image/png", "image/png"),
        ("image/png;q=0, image/svg+xml", "image/svg+xml"),
        ("application/fhir+json, image/png;q=0.1", "image/png"),
    ):
        answer = await course.http.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, given)
    asked = await course.http.get(f"{path}?format=svg", headers={"Accept": "image/png"})
    assert asked.headers["Content-Type"] == "image/svg+xml"
    refused(await course.http.get(path, headers={"Accept": "text/plain"}), 406)
    other = f"{course.episode}/$alliance-trend"
    refused(await course.http.get(other, headers={"Accept": "image/svg+xml"}), 406)


async def test_views_of_both_in_one_panel(clinic):
    course = await therapy.begin(clinic)
    await course.sessions("asc-client", [asc(3), asc(2)])
    await course.answer("asc-therapist", [asc(3), asc(3)])
    told = text(await svg(course.http, course), "desc")
    assert (
        "Alliance and Safety Check-in: Core alliance, Client: Session 1 75.0; Session 2 50.0"
        in told
    )
    assert "Alliance and Safety Check-in: Core alliance, Therapist: Session 1 75.0" in told
    assert "Bond" not in told
    told = text(await svg(course.http, course, scale="bond", rater="client"), "desc")
    assert "Alliance and Safety Check-in: Bond, Client" in told
    assert "Therapist" not in told


async def test_nothing_yet_is_a_picture_too(clinic):
    course = await therapy.begin(clinic)
    assert text(await svg(course.http, course), "desc") == "No scores yet."


async def test_a_client_sees_the_own_line_without_alerts(clinic, course):
    client = await signed_in(clinic, "client", course.patient)
    told = text(await svg(client, course), "desc")
    assert "Session 5 50.0" in told
    assert "Repaired" not in told


async def test_other_formats_are_refused(course):
    path = f"{course.episode}/$alliance-chart"
    refused(await course.http.get(path, params={"format": "pdf"}), 422, "code-invalid")
    refused(await course.http.get(path, params={"language": "fr"}), 422, "code-invalid")
