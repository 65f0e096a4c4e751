"""A passkey made and used in a real browser, whose authenticator is one of the driver's own.

https://www.w3.org/TR/webauthn-2/#sctn-automation; a browser makes passkeys for the name
``localhost``, not for an address.
"""

from __future__ import annotations

import json

import pytest

from app.pages.texts import TEXTS
from tests.browser.test_alliance import direction, outside
from tests.support.serving import environment, rapport, serving
from tests.support.webdriver import ENTER, chromium


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """The demo clinic under a name."""
    env = environment(tmp_path_factory.mktemp("passkeys"))
    env["RAPPORT_BASE_URL"] = f"http://localhost:{env['PORT']}"
    rapport("migrate", env=env)
    rapport("demo", env=env)
    with serving(env) as running:
        yield running


@pytest.mark.parametrize(
    "language, side, width, who",
    [("en", "ltr", 1200, "therapist_a"), ("ar", "rtl", 390, "therapist_b")],
)
def test_a_passkey_is_made_and_used(clinic, language, side, width, who):
    base = clinic.environment["RAPPORT_BASE_URL"]
    user = json.loads((clinic.data_dir / "demo" / "credentials.json").read_text())["users"][who]

    def said(key):
        return TEXTS[key][language]

    with chromium(width=width, script=True) as shown:

        def fits():
            assert direction(shown) == side
            assert outside(shown, width) == []

        def signed_in(then):
            shown.open(f"{base}/login?next=/account&lang={language}")
            shown.wait_for(said("username"))
            fits()
            shown.press(user["username"])
            shown.tab_to("input[name=password]")
            shown.press(user["password"] + ENTER)
            shown.wait_for(said(then))
            fits()

        shown.add_authenticator()
        signed_in("second-off")
        shown.open(f"{base}/account/second")
        shown.wait_for(said("enrol-title"))
        fits()
        shown.tab_to("#passkey button")
        shown.press(ENTER)
        shown.wait_for(said("second-on"))
        fits()
        shown.tab_to("form[action='/logout'] button")
        shown.press(ENTER)
        signed_in("second-title")
        shown.tab_to("#passkey button")
        shown.press(ENTER)
        shown.wait_for(said("second-on"))
