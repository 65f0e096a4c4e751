"""SMART App Launch: a person signs in, allows, and a client gets what both may have."""

import asyncio

import pytest

from app.security import jose
from tests.support.application import ORIGIN
from tests.support.people import (
    CALLBACK,
    add_client,
    add_person,
    answered,
    authorize_url,
    authorized,
    browser,
    code_now,
    enrol,
    forms,
    redeem,
    refresh,
)

SCOPE = "openid fhirUser offline_access launch/patient patient/*.rs"


@pytest.fixture
async def anna(clinic):
    created = await clinic.http.put(
        "Patient/anna", json={"resourceType": "Patient", "id": "anna", "name": [{"family": "Ek"}]}
    )
    assert created.status_code == 201, created.text
    return await add_person(clinic, "anna", "client", fhir_user="Patient/anna")


@pytest.fixture
async def portal(clinic):
    return await add_client(clinic)


@pytest.fixture
async def at_home(application):
    who = browser(application)
    yield who
    await who.http.aclose()


async def fhir(application, token, path):
    async with application.http(headers={"Authorization": f"Bearer {token}"}) as http:
        return await http.get(f"/fhir/{path}")


async def tokens(application, who, account, registered, scope=SCOPE, **changes):
    code = (await authorized(who, account, registered, scope, **changes))["code"]
    response = await redeem(application, registered, code)
    assert response.status_code == 200, response.text
    return response.json()


def refused(response, error, status=400):
    assert (response.status_code, response.json()["error"]) == (status, error), response.text


async def test_a_client_signs_in_and_reads_the_own_record_and_no_other(
    application, clinic, anna, portal, at_home
):
    await clinic.http.put("Patient/berta", json={"resourceType": "Patient", "id": "berta"})
    answer = await authorized(at_home, anna, portal, SCOPE, nonce="n-1")
    assert answer["state"] == "opaque state"
    assert answer["iss"] == ORIGIN
    response = await redeem(application, portal, answer["code"])
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body["patient"] == "anna"
    assert body["scope"] == SCOPE
    assert body["expires_in"] == 600
    identity = jose.read(body["id_token"])
    assert identity.claims["aud"] == portal.client.client_id
    assert identity.claims["nonce"] == "n-1"
    assert identity.claims["sub"] == anna.account_id
    assert identity.claims["fhirUser"] == f"{ORIGIN}/fhir/Patient/anna"
    assert identity.typ == "JWT"
    own = await fhir(application, body["access_token"], "Patient/anna")
    other = await fhir(application, body["access_token"], "Patient/berta")
    nobody = await fhir(application, body["access_token"], "Patient/nobody")
    assert (own.status_code, other.status_code) == (200, 404)
    assert other.content == nobody.content
    async with application.http(
        headers={"Authorization": f"Bearer {body['access_token']}"}
    ) as http:
        info = (await http.get("/oauth/userinfo")).json()
    assert info["sub"] == anna.account_id
    rejected = await fhir(application, body["id_token"], "Patient/anna")
    assert rejected.status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"redirect_uri": None},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK + "?x=1"},
        {"redirect_uri": CALLBACK + "#x"},
        {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": "http://127.0.0.1:9877/callback"},
        {"redirect_uri": "http://localhost:9876/callback"},
        {"redirect_uri": "http://127.0.0.1:9876@evil.example.org/callback"},
        {"redirect_uri": "http://127.0.0.1:9876/%63allback"},
        {"redirect_uri": "https://evil.example.org", "response_type": "token"},
    ],
)
async def test_nothing_is_sent_to_an_address_that_is_not_registered(at_home, portal, changes):
    page = await at_home.open(authorize_url(portal, SCOPE, **changes))
    assert page.status_code == 400
    assert "location" not in page.headers
    assert "evil" not in page.text


async def test_a_parameter_that_comes_twice_is_answered_with_a_page(at_home, portal):
    page = await at_home.open(authorize_url(portal, SCOPE) + "&scope=openid")
    assert page.status_code == 400


@pytest.mark.parametrize(
    "changes, error",
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"aud": "https://elsewhere.example.org/fhir"}, "invalid_request"),
        ({"aud": None}, "invalid_request"),
        ({"scope": "patient/Observation.sr"}, "invalid_scope"),
        ({"scope": "system/*.rs"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "x.y.z"}, "request_not_supported"),
        ({"request_uri": "https://x.example.org"}, "request_uri_not_supported"),
        ({"prompt": "none"}, "login_required"),
        ({"max_age": "-1"}, "invalid_request"),
    ],
)
async def test_a_client_is_told_what_is_wrong_with_its_request(at_home, portal, changes, error):
    answer = answered(await at_home.open(authorize_url(portal, **{"scope": SCOPE, **changes})))
    assert (answer["error"], answer["state"], answer["iss"]) == (error, "opaque state", ORIGIN)
    assert "code" not in answer


async def test_the_request_may_come_by_a_form(at_home, portal, anna):
    query = authorize_url(portal, SCOPE).partition("?")[2]
    sent = await at_home.http.post(
        "/oauth/authorize",
        content=query,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert sent.status_code == 303
    page = await at_home.open(sent.headers["location"])
    assert forms(page)[0].action == "/login"


async def test_a_person_may_decline(at_home, portal, anna):
    await at_home.open(authorize_url(portal, SCOPE))
    await at_home.sign_in(anna)
    answer = answered(await at_home.submit("/oauth/approve", decision="deny"))
    assert answer["error"] == "access_denied"


async def test_approving_takes_a_form_of_this_browser(application, at_home, portal, anna):
    await at_home.open(authorize_url(portal, SCOPE))
    page = await at_home.sign_in(anna)
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "form-action 'self' http://127.0.0.1:9876" in page.headers["content-security-policy"]
    fields = next(f for f in forms(page) if f.action == "/oauth/approve").fields
    for token in ("", "0" * 64):
        forged = {**fields, "decision": "allow", "token": token}
        assert (await at_home.http.post("/oauth/approve", data=forged)).status_code == 403
    elsewhere = await at_home.http.post(
        "/oauth/approve",
        data={**fields, "decision": "allow"},
        headers={"Origin": "https://evil.example.org"},
    )
    assert elsewhere.status_code == 403
    other = browser(application)
    await other.open("/login")
    stolen = await other.http.post("/oauth/approve", data={**fields, "decision": "allow"})
    assert stolen.status_code == 403
    await other.http.aclose()


async def test_a_role_narrows_what_is_granted(application, clinic, portal, at_home):
    await add_person(clinic, "second", "admin")
    auditor = await add_person(clinic, "auditor", "auditor")
    from tests.support.people import code_now, enrol

    secret = await enrol(application, auditor)
    await at_home.open(authorize_url(portal, "openid user/*.cruds user/Observation.rs"))
    await at_home.sign_in(auditor)
    page = await at_home.submit("/login/second", code=code_now(application, secret))
    assert page.status_code == 200
    answer = answered(await at_home.submit("/oauth/approve", decision="allow"))
    body = (await redeem(application, portal, answer["code"])).json()
    assert body["scope"] == "openid user/*.rs"
    denied = await fhir(application, body["access_token"], "Observation")
    assert denied.status_code == 403


@pytest.mark.parametrize(
    "changes, error",
    [
        ({"code_verifier": "a" * 43}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"redirect_uri": CALLBACK + "/"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_request"),
    ],
)
async def test_a_code_needs_its_verifier_and_its_address(
    application, anna, portal, at_home, *, changes, error
):
    code = (await authorized(at_home, anna, portal, SCOPE))["code"]
    refused(await redeem(application, portal, code, **changes), error)


async def test_a_wrong_try_burns_the_code(application, anna, portal, at_home):
    code = (await authorized(at_home, anna, portal, SCOPE))["code"]
    refused(await redeem(application, portal, code, code_verifier="a" * 43), "invalid_grant")
    refused(await redeem(application, portal, code), "invalid_grant")


async def test_a_code_of_one_client_is_nothing_to_another_and_burned(
    application, clinic, anna, portal, at_home
):
    other = await add_client(clinic, name="Other")
    code = (await authorized(at_home, anna, portal, SCOPE))["code"]
    refused(await redeem(application, other, code), "invalid_grant")
    refused(await redeem(application, portal, code), "invalid_grant")


async def test_a_code_lives_a_minute(application, anna, portal, at_home):
    code = (await authorized(at_home, anna, portal, SCOPE))["code"]
    application.clock.turn(seconds=61)
    refused(await redeem(application, portal, code), "invalid_grant")


async def test_a_code_that_comes_twice_takes_its_tokens_with_it(application, anna, portal, at_home):
    code = (await authorized(at_home, anna, portal, SCOPE))["code"]
    body = (await redeem(application, portal, code)).json()
    assert (await fhir(application, body["access_token"], "Patient/anna")).status_code == 200
    refused(await redeem(application, portal, code), "invalid_grant")
    assert (await fhir(application, body["access_token"], "Patient/anna")).status_code == 401
    refused(await refresh(application, portal, body["refresh_token"]), "invalid_grant")


async def test_of_many_redemptions_at_once_one_succeeds_and_none_stands(
    application, anna, portal, at_home
):
    code = (await authorized(at_home, anna, portal, SCOPE))["code"]
    answers = await asyncio.gather(*(redeem(application, portal, code) for _ in range(12)))
    good = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(good) <= 1
    for body in good:
        assert (await fhir(application, body["access_token"], "Patient/anna")).status_code == 401


async def test_a_refresh_token_turns_over_and_its_reuse_ends_the_family(
    application, anna, portal, at_home
):
    first = await tokens(application, at_home, anna, portal)
    second = (await refresh(application, portal, first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["patient"] == "anna"
    assert (await fhir(application, second["access_token"], "Patient/anna")).status_code == 200
    refused(await refresh(application, portal, first["refresh_token"]), "invalid_grant")
    refused(await refresh(application, portal, second["refresh_token"]), "invalid_grant")
    assert (await fhir(application, second["access_token"], "Patient/anna")).status_code == 401


async def test_a_public_client_need_not_name_itself_to_refresh(
    application, clinic, anna, portal, at_home
):
    first = await tokens(application, at_home, anna, portal)
    async with application.http() as http:
        form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        assert (await http.post("/oauth/token", data=form)).status_code == 200
        refused(
            await http.post("/oauth/token", data=form | {"refresh_token": "x"}),
            "invalid_client",
            401,
        )
    app = await add_client(clinic, name="Web", kind="confidential", with_secret=True)
    code = (await authorized(at_home, anna, app, SCOPE))["code"]
    kept = (await redeem(application, app, code, client_secret=app.secret)).json()
    async with application.http() as http:
        form = {"grant_type": "refresh_token", "refresh_token": kept["refresh_token"]}
        refused(await http.post("/oauth/token", data=form), "invalid_client", 401)


async def test_of_many_refreshes_at_once_one_succeeds(application, anna, portal, at_home):
    first = await tokens(application, at_home, anna, portal)
    answers = await asyncio.gather(
        *(refresh(application, portal, first["refresh_token"]) for _ in range(12))
    )
    assert sum(answer.status_code == 200 for answer in answers) <= 1


async def test_a_refresh_may_ask_for_less_and_never_for_more(application, anna, portal, at_home):
    first = await tokens(application, at_home, anna, portal)
    more = await refresh(application, portal, first["refresh_token"], scope="patient/*.cruds")
    refused(more, "invalid_scope")
    less = await refresh(application, portal, first["refresh_token"], scope="patient/Goal.rs")
    assert less.json()["scope"] == "patient/Goal.rs"


async def test_a_refresh_token_is_nothing_to_another_client(
    application, clinic, anna, portal, at_home
):
    other = await add_client(clinic, name="Other")
    first = await tokens(application, at_home, anna, portal)
    refused(await refresh(application, other, first["refresh_token"]), "invalid_grant")
    refused(await refresh(application, portal, first["refresh_token"]), "invalid_grant")


async def test_a_refresh_token_grows_old_unused_and_in_any_case(application, anna, portal, at_home):
    first = await tokens(application, at_home, anna, portal)
    application.clock.turn(seconds=15 * 86400)
    refused(await refresh(application, portal, first["refresh_token"]), "invalid_grant")


async def test_online_access_ends_with_the_session(application, anna, portal, at_home):
    scope = "openid online_access launch/patient patient/*.rs"
    first = await tokens(application, at_home, anna, portal, scope)
    second = (await refresh(application, portal, first["refresh_token"])).json()
    assert "refresh_token" in second
    await at_home.open("/account")
    await at_home.submit("/logout")
    refused(await refresh(application, portal, second["refresh_token"]), "invalid_grant")


async def test_online_access_stays_while_the_same_person_signs_in_again(
    application, clinic, anna, portal, at_home
):
    """With the second step too; it ends when they leave, or another person takes the browser."""
    berta = await add_person(clinic, "berta", "client", fhir_user="Patient/berta")
    scope = "openid online_access launch/patient patient/*.rs"
    token = (await tokens(application, at_home, anna, portal, scope))["refresh_token"]

    async def refreshed():
        answer = await refresh(application, portal, token)
        assert answer.status_code == 200, answer.text
        return answer.json()["refresh_token"]

    await at_home.open("/login")
    await at_home.sign_in(anna)
    token = await refreshed()
    secret = await enrol(application, anna)
    await at_home.open("/login")
    await at_home.sign_in(anna)
    await at_home.submit("/login/second", code=code_now(application, secret))
    token = await refreshed()
    await at_home.open("/login")
    await at_home.sign_in(berta)
    refused(await refresh(application, portal, token), "invalid_grant")


async def test_without_leave_to_stay_there_is_no_refresh_token(application, anna, portal, at_home):
    body = await tokens(application, at_home, anna, portal, "launch/patient patient/*.rs")
    assert "refresh_token" not in body
    assert "id_token" not in body


async def test_a_person_takes_back_what_they_allowed(application, clinic, anna, portal, at_home):
    body = await tokens(application, at_home, anna, portal)
    page = await at_home.open("/account")
    assert "Portal" in page.text
    stranger = await add_person(clinic, "eve", "client", fhir_user="Patient/eve")
    other = browser(application)
    await other.sign_in(stranger)
    await other.open("/account")
    program = next(f for f in forms(page) if f.action == "/account/programs").fields["program"]
    assert other.page is not None
    token = forms(other.page)[0].fields["token"]
    forged = {"token": token, "program": program}
    await other.http.post("/account/programs", data=forged)
    await other.http.aclose()
    assert (await fhir(application, body["access_token"], "Patient/anna")).status_code == 200
    page = await at_home.submit("/account/programs")
    assert "Portal" not in page.text
    assert (await fhir(application, body["access_token"], "Patient/anna")).status_code == 401
    refused(await refresh(application, portal, body["refresh_token"]), "invalid_grant")


async def test_a_closed_account_or_new_password_ends_everything_at_once(
    application, anna, portal, at_home
):
    from app.security.people import close_account

    body = await tokens(application, at_home, anna, portal)
    services = application.services
    async with services.units.accounts.write() as unit:
        await unit.accounts.people.set_password(anna, password_hash="x", at=1)
    assert (await fhir(application, body["access_token"], "Patient/anna")).status_code == 401
    refused(await refresh(application, portal, body["refresh_token"]), "invalid_grant")
    page = await at_home.open("/account")
    assert forms(page)[0].action == "/login"
    async with services.units.accounts.write() as unit:
        await close_account(unit.accounts, anna, now=services.clock.now())
    assert (await at_home.sign_in(anna)).status_code == 401


async def test_a_confidential_client_proves_itself_with_its_secret(
    application, clinic, anna, at_home
):
    app = await add_client(clinic, name="Web", kind="confidential", with_secret=True)
    code = (await authorized(at_home, anna, app, SCOPE))["code"]
    refused(await redeem(application, app, code), "invalid_client", 401)
    refused(await redeem(application, app, code, client_secret="wrong"), "invalid_client", 401)
    assert (await redeem(application, app, code, client_secret=app.secret)).status_code == 200


async def test_the_person_of_another_clinic_has_no_business_here(
    application, clinic, anna, at_home
):
    from tests.support.application import clinic_of

    async with clinic_of(application) as other:
        theirs = await add_client(other)
        await at_home.open(authorize_url(theirs, SCOPE))
        page = await at_home.sign_in(anna)
        assert page.status_code == 403
        assert "location" not in page.headers


async def test_prompt_login_and_max_age_ask_again(application, anna, portal, at_home):
    await authorized(at_home, anna, portal, SCOPE)
    page = await at_home.open(authorize_url(portal, SCOPE, prompt="login"))
    assert forms(page)[0].action == "/oauth/approve"
    application.clock.turn(seconds=120)
    for changes in ({"prompt": "login"}, {"max_age": "30"}):
        page = await at_home.open(authorize_url(portal, SCOPE, **changes))
        assert forms(page)[0].action == "/login"
    page = await at_home.open(authorize_url(portal, SCOPE, max_age="600"))
    assert forms(page)[0].action == "/oauth/approve"


async def test_a_person_asks_for_themselves(application, at_home, anna, portal):
    token = (await tokens(application, at_home, anna, portal))["access_token"]
    services = application.services
    async with services.units.accounts.read() as unit:
        principal = await services.authorization.authenticator.authenticate(
            f"Bearer {token}", unit.accounts.tokens
        )
    assert (principal.role, principal.purpose) == ("client", "PATRQT")
