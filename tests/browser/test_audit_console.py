"""An auditor's minute in a real browser: by keyboard, without script, on the demo clinic."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.browser.test_alliance import direction, outside, signed_in
from tests.support.webdriver import ENTER, chromium


@pytest.fixture
def page(demo, credentials):
    """The console, after the auditor signed in."""
    auditor = credentials["users"]["auditor"]
    with chromium() as shown:
        shown.open(f"{demo.base_url}/audit")
        shown.wait_for("Username")
        shown.press(auditor["username"])
        shown.tab_to("input[name=password]")
        shown.press(auditor["password"] + ENTER)
        shown.wait_for("Access log")
        yield shown


def test_auditor_finds_who_saw_a_record_and_why(demo, page):
    assert "The log is whole" in page.text
    # Nothing but the keyboard: narrow to one client, open an event, go on to its timeline.
    patient = re.search(r"timeline\?patient=([^\"&]+)", source(page))
    assert patient is not None
    page.tab_to("#patient")
    page.press(patient[1] + ENTER)
    page.wait_until_at(f"patient={patient[1]}")
    page.wait_for("When (UTC)")
    page.tab_to("tbody a")
    page.press(ENTER)
    page.wait_for("Entry in the tree")
    assert "The log is whole" in page.text
    page.tab_to("a[href*='timeline?patient']")
    page.press(ENTER)
    page.wait_for("Access to")
    assert page.all("svg.timeline g")
    assert page.all("tbody tr")


def test_every_control_is_reached_and_named(page):
    for control in page.all("main input:not([type=hidden]), main select"):
        id = page.attribute(control, "id")
        assert page.all(f"label[for='{id}']"), id
    # In the order of the page, without a trap.
    for selector in ("#purpose", "#since", "#glass", "main form button", "tbody a"):
        page.tab_to(selector)


def test_skip_link_comes_first(demo, page):
    page.open(f"{demo.base_url}/audit/alerts")
    page.tab_to("a.skip", most=1)
    page.press(ENTER)
    assert page.address.endswith("#main")


def test_console_fits_a_phone(demo, credentials):
    auditor = credentials["users"]["auditor"]
    with chromium(width=420) as shown:
        shown.open(f"{demo.base_url}/login?next=/audit")
        shown.press(auditor["username"])
        shown.tab_to("input[name=password]")
        shown.press(auditor["password"] + ENTER)
        shown.wait_for("Access log")
        assert shown.all("tbody tr")


WORDS = {
    "en": ("Access log", "entries, checkpoint of", "Entry in the tree", "Access to", "create"),
    "ar": ("سجل الاطلاع", "قيداً، نقطة التحقق", "رقم القيد في الشجرة", "الاطلاع على", "إنشاء"),
}


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("language, side", [("en", "ltr"), ("ar", "rtl")])
def test_every_page_of_the_console_in_both_languages(demo, credentials, language, side, width):
    """By keyboard from page to page; without script, since the pages' own policy forbids it."""
    title, stands, entry, of, did = WORDS[language]

    def fits(shown):
        shown.wait_for(stands)
        assert direction(shown) == side
        assert outside(shown, width) == []
        assert "audit-" not in shown.text, "a text has no words"

    with chromium(width=width) as shown:
        signed_in(shown, demo, credentials["users"]["auditor"], "/audit")
        shown.wait_for("Access log")
        shown.open(f"{demo.base_url}/audit?lang={language}")
        shown.wait_for(title)
        fits(shown)
        patient = re.search(r"timeline\?patient=([^\"&]+)", source(shown))
        assert patient is not None
        shown.tab_to("#patient")
        shown.press(patient[1] + ENTER)
        shown.wait_until_at(f"patient={patient[1]}")
        fits(shown)
        assert did in shown.text
        shown.tab_to("tbody a")
        shown.press(ENTER)
        shown.wait_for(entry)
        fits(shown)
        shown.tab_to("a[href*='timeline?patient']")
        shown.press(ENTER)
        shown.wait_for(of)
        fits(shown)
        # The other language shows the same page, and back.
        shown.tab_to("a.language", most=1000)
        shown.press(ENTER)
        other = WORDS["ar" if language == "en" else "en"]
        shown.wait_for(other[3])
        assert f"patient={patient[1]}" in shown.address
        assert patient[1] in shown.text
        shown.open(f"{demo.base_url}/audit/alerts?lang={language}")
        fits(shown)
        shown.open(f"{demo.base_url}/audit/event/none?lang={language}")
        assert direction(shown) == side
        assert outside(shown, width) == []


def test_the_table_comes_as_a_file(demo, page):
    cookies = {each["name"]: each["value"] for each in page._ask("GET", "/cookie")}
    answer = httpx.get(f"{demo.base_url}/audit/export.csv", cookies=cookies)
    assert answer.status_code == 200
    assert answer.text.startswith('"id","recorded","event"')


def source(page) -> str:
    return str(page._ask("GET", "/source"))
