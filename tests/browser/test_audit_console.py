"""An auditor's minute in a real browser: by keyboard, without script, on the demo clinic."""

from __future__ import annotations

import re

import httpx
import pytest

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
    page.wait_for("Older" if "Older" in page.text else "When (UTC)")
    assert f"patient={patient[1]}" in page.address
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


def test_the_table_comes_as_a_file(demo, page):
    cookies = {each["name"]: each["value"] for each in page._ask("GET", "/cookie")}
    answer = httpx.get(f"{demo.base_url}/audit/export.csv", cookies=cookies)
    assert answer.status_code == 200
    assert answer.text.startswith('"id","recorded","event"')


def source(page) -> str:
    return str(page._ask("GET", "/source"))
