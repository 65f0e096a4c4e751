"""Signing in: the same answer to every failure, slower each time, and a second step for staff."""

import re

import pytest

from app.security.backoff import FREE_PER_ACCOUNT
from app.security.totp import secret_octets
from tests.support.people import (
    PASSWORD,
    add_person,
    browser,
    code_now,
    enrol,
    forms,
)


@pytest.fixture
async def anna(clinic):
    return await add_person(clinic, "anna", "client", fhir_user="Patient/anna")


@pytest.fixture
async def therapist(clinic):
    return await add_person(clinic, "tess", "therapist", fhir_user="Practitioner/tess")


@pytest.fixture
async def at_home(application):
    who = browser(application)
    yield who
    await who.http.aclose()


async def test_a_session_is_a_cookie_that_no_script_reads(application, anna, at_home):
    await at_home.open("/login?next=/account")
    before = at_home.http.cookies.get("__Host-form")
    answer = await at_home.http.post(
        "/login",
        data={**forms(at_home.page)[0].fields, "username": anna.username, "password": PASSWORD},
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "/account"
    cookie = next(c for c in answer.headers.get_list("set-cookie") if "session" in c)
    assert cookie.startswith("__Host-session=")
    for attribute in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert attribute in cookie
    assert "Domain" not in cookie
    assert at_home.http.cookies.get("__Host-form") != before
    page = await at_home.open("/account")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script" not in page.text


async def test_a_name_is_known_whatever_its_case(anna, at_home):
    await at_home.open("/login?next=/account")
    page = await at_home.submit("/login", username=anna.username.upper(), password=PASSWORD)
    assert page.status_code == 200


async def test_an_unknown_name_and_a_wrong_password_are_told_apart_by_nothing(anna, at_home):
    pages = []
    for name in (anna.username, "somebody-else"):
        await at_home.open("/login")
        page = await at_home.submit("/login", username=name, password="not this one")
        assert page.status_code == 401
        pages.append(page)
    first, second = pages
    assert first.text == second.text
    assert {k: v for k, v in first.headers.items() if k != "x-request-id"} == {
        k: v for k, v in second.headers.items() if k != "x-request-id"
    }


async def test_failures_slow_an_account_down_and_a_success_forgets_them(application, anna, at_home):
    async def attempt(password):
        await at_home.open("/login")
        return await at_home.submit("/login", username=anna.username, password=password)

    for _ in range(FREE_PER_ACCOUNT):
        assert (await attempt("wrong")).status_code == 401
    blocked = await attempt(PASSWORD)
    assert blocked.status_code == 429
    assert int(blocked.headers["retry-after"]) >= 1
    application.clock.turn(seconds=2)
    assert (await attempt("wrong")).status_code == 401
    assert (await attempt(PASSWORD)).status_code == 429
    application.clock.turn(seconds=5)
    assert (await attempt(PASSWORD)).status_code != 429
    for _ in range(FREE_PER_ACCOUNT - 1):
        assert (await attempt("wrong")).status_code == 401
    assert (await attempt(PASSWORD)).status_code not in (401, 429)


async def test_the_last_administrator_is_never_shut_out_by_name(application, clinic, at_home):
    admin = await add_person(clinic, "admin", "admin")
    for _ in range(FREE_PER_ACCOUNT * 3):
        await at_home.open("/login")
        page = await at_home.submit("/login", username=admin.username, password="wrong")
        assert page.status_code == 401
    page = await at_home.sign_in(admin)
    assert page.status_code == 200


async def test_of_several_administrators_one_can_always_try(application, clinic, at_home):
    admin, deputy = [await add_person(clinic, name, "admin") for name in ("admin", "deputy")]

    async def fails(account):
        await at_home.open("/login")
        page = await at_home.submit("/login", username=account.username, password="wrong")
        return page.status_code

    assert [await fails(admin) for _ in range(FREE_PER_ACCOUNT)] == [401] * FREE_PER_ACCOUNT
    for _ in range(6):  # each time longer: a minute in the end
        application.clock.turn(seconds=70)
        await fails(admin)
    assert [await fails(deputy) for _ in range(FREE_PER_ACCOUNT * 2)] == [401] * (
        FREE_PER_ACCOUNT * 2
    )
    assert (await at_home.sign_in(admin)).status_code == 429
    assert (await at_home.sign_in(deputy)).status_code == 200


async def test_many_names_from_one_address_are_slowed_too(application, clinic):
    import httpx

    from tests.support.application import ORIGIN

    transport = httpx.ASGITransport(application.app, client=("198.51.100.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        page = await http.get("/login")
        fields = forms(page)[0].fields
        codes = []
        for number in range(70):
            form = {**fields, "username": f"nobody-{number}", "password": "x"}
            codes.append((await http.post("/login", data=form)).status_code)
    assert codes[0] == 401
    assert codes[-1] == 429


@pytest.mark.parametrize(
    "address", ["//evil.example.org", "https://evil.example.org", "/\\evil", "evil", "/a\nb"]
)
async def test_signing_in_leads_nowhere_else(anna, at_home, address):
    await at_home.open("/login")
    answer = await at_home.http.post(
        "/login",
        data={
            **forms(at_home.page)[0].fields,
            "username": anna.username,
            "password": PASSWORD,
            "next": address,
        },
    )
    assert answer.headers["location"] == "/"


async def test_staff_need_a_second_step_and_set_it_up_at_once(application, therapist, at_home):
    await at_home.open("/login?next=/account")
    page = await at_home.submit("/login", username=therapist.username, password=PASSWORD)
    assert forms(page)[0].action == "/account/second"
    [shown] = re.findall(r"<code[^>]*>([A-Z2-7]+)</code>", page.text)
    secret = secret_octets(shown)
    wrong = await at_home.submit("/account/second", code="000000")
    assert wrong.status_code == 401
    page = await at_home.submit("/account/second", code=code_now(application, secret))
    codes = re.findall(r"<code>([a-z2-7-]{19})</code>", page.text)
    assert len(codes) == 10
    assert (await at_home.open("/account")).status_code == 200
    await at_home.submit("/logout")

    page = await at_home.sign_in(therapist)
    assert forms(page)[0].action == "/login/second"
    again = await at_home.submit("/login/second", code=code_now(application, secret))
    assert again.status_code == 401, "a code is good once"
    page = await at_home.submit("/login/second", code=codes[0].upper())
    assert page.status_code in (200, 404)
    assert (await at_home.open("/account")).status_code == 200
    await at_home.submit("/logout")
    await at_home.sign_in(therapist)
    assert (await at_home.submit("/login/second", code=codes[0])).status_code == 401
    application.clock.turn(seconds=60)
    page = await at_home.submit("/login/second", code=code_now(application, secret))
    assert page.status_code != 401


async def test_a_half_open_session_opens_nothing(application, therapist, at_home):
    await enrol(application, therapist)
    await at_home.sign_in(therapist)
    page = await at_home.open("/account")
    assert forms(page)[0].action == "/login"
    page = await at_home.open("/account/second")
    assert forms(page)[0].action == "/login"


async def test_codes_count_as_tries(application, therapist, at_home):
    await enrol(application, therapist)
    await at_home.sign_in(therapist)
    statuses = [
        (await at_home.submit("/login/second", code="000000")).status_code
        for _ in range(FREE_PER_ACCOUNT + 1)
    ]
    assert statuses == [401] * FREE_PER_ACCOUNT + [429]


async def test_a_session_ends_when_idle_and_in_any_case(application, anna, at_home):
    await at_home.sign_in(anna)
    for _ in range(26):
        application.clock.turn(seconds=28 * 60)
        await at_home.open("/account")
    assert forms(await at_home.open("/account"))[0].action == "/login"
    await at_home.sign_in(anna)
    application.clock.turn(seconds=31 * 60)
    assert forms(await at_home.open("/account"))[0].action == "/login"


async def test_signing_in_again_ends_the_session_before(application, clinic, anna, at_home):
    """Whoever has the old cookie has nothing, whether it was theirs or another person's."""
    berta = await add_person(clinic, "berta", "client", fhir_user="Patient/berta")
    await at_home.sign_in(anna)
    for account in (anna, berta):
        old = at_home.http.cookies["__Host-session"]
        await at_home.open("/login")
        await at_home.sign_in(account)
        assert (await at_home.open("/account")).status_code == 200
        async with application.http(cookies={"__Host-session": old}) as thief:
            assert (await thief.get("/account")).status_code == 303
            assert "__Host-session" in at_home.http.cookies


async def test_arabic_reads_from_the_right(at_home):
    page = await at_home.open("/login?lang=ar")
    assert '<html lang="ar" dir="rtl">' in page.text
    assert "كلمة المرور" in page.text
    again = await at_home.open("/account/reset")
    assert 'dir="rtl"' in again.text


@pytest.mark.parametrize("path", ["/login", "/account/reset"])
async def test_every_field_has_a_label_and_every_page_a_language(at_home, path):
    page = await at_home.open(path)
    ids = re.findall(r'<input id="(\w+)"', page.text)
    assert ids
    for one in ids:
        assert f'<label for="{one}"' in page.text
    assert re.search(r'<html lang="en" dir="ltr">', page.text)
    assert page.headers["cache-control"] == "no-store"


async def test_a_forgotten_password_is_replaced_once_by_a_link(application, clinic, at_home):
    import json

    berta = await add_person(
        clinic, "berta", "client", fhir_user="Patient/b", email="berta@example.org"
    )
    await at_home.sign_in(berta)
    other = browser(application)
    await other.open("/account/reset")
    known = await other.submit("/account/reset", username=berta.username)
    await other.open("/account/reset")
    unknown = await other.submit("/account/reset", username="nobody-at-all")
    assert known.text == unknown.text
    await application.services.authorization.links.sent()

    def links():
        path = application.settings.data_dir / "messages.ndjson"
        sent = [json.loads(line) for line in path.read_text().splitlines()]
        return [m["text"].split()[-1] for m in sent if "/account/link/" in m["text"]]

    address = links()[-1]
    page = await other.open(address)
    assert page.status_code == 200
    path = address.removeprefix("https://rapport.test")
    for password, again in (("short", "short"), ("password123", "password123"), ("a" * 20, "b")):
        assert (await other.submit(path, password=password, again=again)).status_code == 422
    new = "four slow winter trains"
    assert (await other.submit(path, password=new, again=new)).status_code == 200
    assert (await other.open(address)).status_code == 410
    assert forms(await at_home.open("/account"))[0].action == "/login"
    assert (await at_home.sign_in(berta)).status_code == 401
    page = await at_home.sign_in(berta, new)
    assert page.status_code in (200, 404)
    await other.http.aclose()


async def test_a_link_lives_a_quarter_of_an_hour(application, clinic, at_home):
    carla = await add_person(clinic, "carla", "client", fhir_user="Patient/c", email="c@x.org")
    services = application.services
    async with services.units.accounts.write() as unit:
        address = await services.authorization.links.make(unit.accounts, carla, purpose="reset")
    application.clock.turn(seconds=15 * 60 + 1)
    assert (await at_home.open(address)).status_code == 410


async def test_the_next_link_ends_the_one_before(application, clinic, at_home):
    dora = await add_person(clinic, "dora", "client", fhir_user="Patient/d", password=None)
    services = application.services
    caller = services.authorization.links
    from app.security.oauth.token import Caller

    first = await caller.invite(dora, caller=Caller())
    second = await caller.invite(dora, caller=Caller())
    assert (await at_home.open(first)).status_code == 410
    page = await at_home.open(second)
    assert "Choose a password" in page.text
    path = second.removeprefix("https://rapport.test")
    new = "four slow winter trains"
    assert (await at_home.submit(path, password=new, again=new)).status_code == 200
    assert (await at_home.sign_in(dora, new)).status_code in (200, 404)
