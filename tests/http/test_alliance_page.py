"""The pages about the alliance: a caseload, and a course as a picture and in tables."""

from __future__ import annotations

import re

import pytest

from tests.support import therapy
from tests.support.staff import signs_in
from tests.support.therapy import pulse


@pytest.fixture
async def course(clinic):
    made = await therapy.begin(clinic, therapist_key="amal")
    await made.sessions("asc-pulse", [pulse(s) for s in (15, 15, 16, 17, 10)])
    await made.sessions("asc-pulse", [None, pulse(17)])
    return made


async def test_a_course_is_shown_as_a_picture_and_in_tables(clinic, course, at_work):
    await signs_in(clinic, at_work, "therapist", course.therapist)
    page = await at_work.open(course.page)
    assert page.status_code == 200
    assert "<svg" in page.text and "picture-description" in page.text
    assert "Drop and return" in page.text
    assert "held against 75.0; before 85.0; lowest 50.0; back in session 7" in page.text
    assert "<td>85.0</td>" in page.text
    assert "No answer: 6" in page.text
    assert "Not validated" in page.text
    assert "invitation to talk" in page.text
    assert "style=" not in page.text and "<script" not in page.text
    assert "unsafe" not in page.headers["content-security-policy"]


async def test_whatever_scrolls_is_reached_by_keyboard_and_has_a_name(clinic, course, at_work):
    await signs_in(clinic, at_work, "therapist", course.therapist)
    for path in (course.page, "/alliance"):
        page = (await at_work.open(path)).text
        places = re.findall(r'<(?:div|figure) class="(?:wide|picture)"([^>]*)>', page)
        assert places
        for place in places:
            assert 'tabindex="0"' in place
            [name] = re.findall(r'aria-labelledby="([^"]+)"', place)
            assert page.count(f'id="{name}"') == 1


async def test_the_page_speaks_arabic(clinic, course, at_work):
    await signs_in(clinic, at_work, "therapist", course.therapist)
    page = await at_work.open(f"{course.page}?lang=ar")
    assert 'dir="rtl"' in page.text
    assert "هبوط وعودة" in page.text
    assert 'lang="ar"' in page.text.split("<svg")[1].split(">")[0]


async def test_a_caseload_leads_to_the_courses(clinic, course, at_work):
    await signs_in(clinic, at_work, "therapist", course.therapist)
    page = await at_work.open("/alliance")
    assert f'href="{course.page}"' in page.text
    assert "Costa" in page.text
    assert "6/7" in page.text


async def test_who_is_not_signed_in_signs_in_first(course, at_work):
    answer = await at_work.http.get(course.page)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=%2Falliance%2F")


async def test_a_client_sees_the_own_course_without_alerts(clinic, course, at_work):
    await signs_in(clinic, at_work, "client", course.patient)
    page = await at_work.open(course.page)
    assert page.status_code == 200
    assert "<td>85.0</td>" in page.text
    assert "Drop and return" not in page.text


async def test_a_stranger_finds_nothing(clinic, course, at_work):
    other = await therapy.begin(clinic)
    await signs_in(clinic, at_work, "therapist", other.therapist)
    assert (await at_work.open(course.page)).status_code == 404
    assert "Costa" not in (await at_work.open(course.page)).text
