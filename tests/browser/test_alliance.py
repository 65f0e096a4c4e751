"""A client's minute on a phone and a therapist's look, in both languages, on the demo clinic."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.support.asking import asking
from tests.support.webdriver import ENTER, SPACE, chromium


@pytest.fixture(scope="module")
def ehr(demo):
    """The clinic's record system, by the token that the example script gets."""
    path = demo.data_dir / "demo" / "credentials.json"
    asked = [sys.executable, "examples/access_token.py", str(path), "ehr"]
    token = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    with httpx.Client(base_url=f"{demo.base_url}/fhir/", headers=headers) as http:
        yield http


@pytest.fixture
def task(ehr):
    made = ehr.post("Task", json=asking("Patient/client-1"))
    assert made.status_code == 201, made.text
    return made.json()["id"]


@pytest.fixture
def link(ehr, task):
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "expires", "valueDateTime": expires}],
    }
    answer = ehr.post(f"Task/{task}/$issue-link", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["parameter"][0]["valueUrl"]


def outside(shown, width):
    """What stands out of the screen on either side, scrolling boxes aside."""
    found = []
    for selector in ("main > *", "main form > *", "main label", "footer > *"):
        for element in shown.all(selector):
            rect = shown._ask("GET", f"/element/{element}/rect")
            if rect["x"] < 0 or rect["x"] + rect["width"] > width + 1:
                found.append((selector, rect))
    return found


def direction(shown):
    [page] = shown.all("html")
    return shown.attribute(page, "dir")


@pytest.mark.parametrize(
    "language, side, exit_, thanks",
    [("en", "ltr", "Leave this page", "Thank you"), ("ar", "rtl", "مغادرة هذه الصفحة", "شكرًا لك")],
)
def test_a_form_is_answered_on_a_phone(link, language, side, exit_, thanks):
    with chromium(width=390) as shown:
        shown.open(f"{link}?lang={language}")
        shown.wait_for(exit_)
        assert direction(shown) == side
        assert outside(shown, 390) == []
        assert len(shown.all("input[type=radio]")) == 5 * 6
        for item in ("B1", "G1", "T1", "S2", "O1"):
            shown.tab_to(f"input[name=item-{item}]")
            shown.press(SPACE)
        shown.tab_to("main form > button")
        shown.press(ENTER)
        shown.wait_for(thanks)
        shown.open(link)
        shown.wait_for("link" if language == "en" else "الرابط")


def signed_in(shown, demo, user, address):
    shown.open(f"{demo.base_url}{address}")
    shown.wait_for("Username")
    shown.press(user["username"])
    shown.tab_to("input[name=password]")
    shown.press(user["password"] + ENTER)


@pytest.mark.parametrize("width", [390, 1200])
def test_a_therapist_goes_from_the_caseload_to_a_course(demo, credentials, width):
    with chromium(width=width) as shown:
        signed_in(shown, demo, credentials["users"]["therapist_a"], "/alliance")
        shown.wait_for("Your clients")
        assert outside(shown, width) == []
        shown.tab_to("tbody a")
        shown.press(ENTER)
        shown.wait_for("Worth a word")
        assert shown.all("figure svg")
        assert "Drop and return" in shown.text
        assert outside(shown, width) == []
        shown.open(f"{shown.address.partition('?')[0]}?lang=ar")
        shown.wait_for("يستحق الحديث عنه")
        assert direction(shown) == "rtl"
        assert outside(shown, width) == []


@pytest.mark.parametrize(
    "language, thanks, gone",
    [
        ("en", "give this device back", "no longer in use"),
        ("ar", "إعادة هذا الجهاز", "لم يعد هذا الرابط صالحًا"),
    ],
)
def test_a_device_that_is_handed_over_keeps_nothing(
    demo, credentials, task, language, thanks, gone
):
    with chromium(width=390) as shown:
        user = credentials["users"]["therapist_a"]
        episode = credentials["episodes"]["individual"].partition("/")[2]
        signed_in(shown, demo, user, f"/alliance/{episode}")
        shown.wait_for("Worth a word")
        shown.open(f"{demo.base_url}/alliance/{episode}?lang={language}")
        shown.tab_to(f"form[action='/alliance/task/{task}/device'] button")
        shown.press(ENTER)
        shown.wait_for("In this room" if language == "en" else "في هذا المكان")
        assert user["username"] not in shown.text and "Amal" not in shown.text
        assert outside(shown, 390) == []
        form = shown.address
        shown.tab_to("input[name=item-B1]")
        shown.press(SPACE)
        shown.tab_to("main form > button:not([name])")
        shown.press(ENTER)
        shown.wait_for(thanks)
        assert shown.cookies == []
        shown.back()
        shown.wait_for(gone)
        assert shown.all("input[type=radio]") == []
        shown.open(form)
        shown.wait_for(gone)
        shown.open(f"{demo.base_url}/alliance/{episode}?lang=en")
        shown.wait_for("Username")


@pytest.mark.parametrize("language, kept", [("en", "were kept"), ("ar", "حُفظت")])
def test_answers_are_entered_from_paper(demo, credentials, task, language, kept):
    with chromium(width=390) as shown:
        address = f"/alliance/task/{task}/paper"
        signed_in(shown, demo, credentials["users"]["therapist_a"], address)
        shown.wait_for("Answers from paper")
        shown.open(f"{demo.base_url}{address}?lang={language}")
        assert outside(shown, 390) == []
        shown.tab_to("#answered")
        shown.press("11202026")
        shown.tab_to("input[name=item-B1]")
        shown.press(SPACE)
        shown.tab_to("main form > button")
        shown.press(ENTER)
        shown.wait_for(kept)
