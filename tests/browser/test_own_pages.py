"""A client decides who may see their record, on a phone and at a desk, in both languages."""

from __future__ import annotations

import json

import pytest

from tests.browser.test_alliance import direction, outside, signed_in
from tests.support.webdriver import ENTER, SPACE, chromium

WORDS = {
    "en": (
        "Your results",
        "It counts from this moment",
        "It no longer counts",
        "Everybody else who",
    ),
    "ar": ("نتائجك", "أصبح سارياً منذ هذه اللحظة", "لم يعد سارياً منذ هذه اللحظة", "كل من فتح"),
}


@pytest.fixture(scope="module")
def users(demo):
    text = (demo.data_dir / "demo" / "credentials.json").read_text()
    return json.loads(text)["users"]


@pytest.mark.parametrize(
    "language, side, width", [("en", "ltr", 390), ("ar", "rtl", 390), ("en", "ltr", 1280)]
)
def test_a_client_gives_and_withdraws_a_consent(demo, users, language, side, width):
    record, saved, withdrawn, looked = WORDS[language]
    with chromium(width=width) as shown:
        signed_in(shown, demo, users["partner_a"], "/me")
        shown.wait_for("Your results")
        shown.open(f"{demo.base_url}/me?lang={language}")
        shown.wait_for(record)
        assert direction(shown) == side
        assert outside(shown, width) == []
        shown.tab_to("nav a[href='/me/consents']")
        shown.press(ENTER)
        shown.tab_to("#share summary")
        shown.press(ENTER)
        shown.tab_to("#share button")
        assert outside(shown, width) == []
        shown.press(ENTER)
        shown.wait_for(saved)
        shown.tab_to(".decisions button")
        shown.press(ENTER)
        shown.wait_for(withdrawn)
        shown.tab_to("#stop summary")
        shown.press(ENTER)
        shown.tab_to("#stop input[name=emergency]")
        shown.press(SPACE)
        assert outside(shown, width) == []
        shown.tab_to("nav a[href='/me/looks']", most=20)
        shown.press(ENTER)
        shown.wait_for(looked)
        assert outside(shown, width) == []
