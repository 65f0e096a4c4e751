"""No form of another site is taken: what changes something asks for the token of its browser.

The routes are the application's own: a new one is held to it, or listed here.
"""

from __future__ import annotations

import pytest

from tests.http.test_step_up import routes
from tests.support.people import add_person, browser, code_now, enrol, forms

# Answered to programs by their token or proof, which no browser sends by itself.
OF_PROGRAMS = ("/fhir", "/admin", "/cds-services", "/oauth/token", "/oauth/introspect",
               "/oauth/revoke", "/oauth/userinfo", "/oauth/launch")  # fmt: skip
# SMART's authorize-post: what it leads to asks the person.
CHANGES_NOTHING = {"/oauth/authorize"}


def pages(app):
    """Their addresses, with something where a name stands."""
    return sorted(
        path.replace("{", "x").replace("}", "x")
        for method, path in routes(app, "/")
        if method == "POST" and not path.startswith(OF_PROGRAMS) and path not in CHANGES_NOTHING
    )


@pytest.fixture
async def browsers(clinic):
    """Of a client, of a therapist, of one who owes the second step, and of nobody."""
    made = []
    for role, actor, steps in (
        ("client", "Patient/anna", 1),
        ("therapist", "Practitioner/tess", 2),
        ("supervisor", "Practitioner/sam", 1),
        (None, None, 0),
    ):
        who = browser(clinic.application)
        await who.open("/login")
        if role is not None:
            account = await add_person(clinic, role, role, fhir_user=actor)
            secret = b"" if role == "client" else await enrol(clinic.application, account)
            await who.sign_in(account)
            if steps == 2:
                await who.submit("/login/second", code=code_now(clinic.application, secret))
        # The token is the browser's, whichever form it stands in.
        page = await who.http.get("/account" if steps and role != "supervisor" else "/login")
        made.append((who.http, next(f.fields["token"] for f in forms(page) if "token" in f.fields)))
    yield made
    for http, _ in made:
        await http.aclose()


async def test_no_form_is_taken_without_the_token_of_its_browser(application, browsers):
    (_, others), *_ = browsers[1:]
    asked = pages(application.app)
    assert {"/login", "/logout", "/oauth/approve", "/me/consents", "/account/passkey"} <= set(asked)
    for path in asked:
        for http, own in browsers:
            for token, headers in (
                ("", {}),
                ("0" * 64, {}),
                (others if own != others else browsers[0][1], {}),
                (own, {"Origin": "https://evil.example.org"}),
                (own, {"Origin": "null.example.org"}),
            ):
                # As a page of another site could send it; a header of its own it could not.
                answer = await http.post(path, data={"token": token}, headers=headers)
                assert answer.status_code == 403, (path, answer.status_code)
                assert "set-cookie" not in answer.headers or "session=" not in str(
                    answer.headers.get_list("set-cookie")
                )


async def test_it_is_the_token_that_lets_a_form_in(application, browsers):
    """Else the refusals above would be of something else."""
    for path in pages(application.app):
        if path in ("/logout", "/login"):
            continue  # they would end what the others need
        statuses = {
            (
                await http.post(path, data={"token": token}, headers={"X-Form-Token": token})
            ).status_code
            for http, token in browsers
        }
        assert statuses - {403}, path
