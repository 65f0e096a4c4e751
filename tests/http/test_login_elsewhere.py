"""A clinic's own identity provider, played by a second server in a process of its own."""

import json
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from app.core.clock import SECOND
from app.security.egress import GuardedFetch
from app.security.federation import NewProvider
from tests.support.authorization import ORIGIN, open_door
from tests.support.people import forms
from tests.support.serving import rapport

CALLBACK = f"{ORIGIN}/login/callback"


@pytest.fixture
def credentials(demo):
    return json.loads((demo.data_dir / "demo" / "credentials.json").read_text())


@pytest.fixture(scope="session")
def registered(demo):
    """What the provider knows of us."""
    told = rapport(
        "client", "register", "--tenant", "demo", "--name", "Our clinic", "--scope",
        "openid profile fhirUser", "--kind", "confidential", "--redirect-uri", CALLBACK,
        "--with-secret", env=demo.environment,
    )  # fmt: skip
    return dict(line.split(" ", 1) for line in told.splitlines() if line.startswith("client_"))


@pytest.fixture
async def door(tmp_path):
    async with open_door(tmp_path, fetch=GuardedFetch(demo=True)) as opened:
        yield opened


@pytest.fixture
async def portal(door):
    return await door.register(
        tenant=1, name="Portal", kind="public", scope="openid user/*.rs",
        redirect_uris=("http://127.0.0.1:9876/callback",),
    )  # fmt: skip


async def trust(door, demo, registered, **changes):
    values = {
        "tenant": 1,
        "issuer": demo.base_url,
        "name": "Hospital",
        "client_id": registered["client_id"],
        "client_secret": registered["client_secret"],
        "role_claim": "name",
        "role_map": {"Amal Haddad": "therapist", "Nadia Costa": "client"},
        **changes,
    }
    return await door.server.federation.trust(NewProvider(**values))


def destination(portal):
    return "/oauth/authorize?" + urlencode({"client_id": portal.client.client_id})


async def go(door, demo, portal):
    """To the provider's address, from our sign-in page."""
    page = await door.http.get("/login", params={"next": destination(portal)})
    assert "Hospital" in page.text
    sent = await door.http.get(
        "/login/elsewhere", params={"provider": demo.base_url, "next": destination(portal)}
    )
    assert sent.status_code == 303, sent.text
    assert sent.headers["location"].startswith(f"{demo.base_url}/oauth/authorize?")
    return sent.headers["location"]


def sign_in_there(address, user):
    """Where the provider sends the browser after the person signed in and allowed it."""
    with httpx.Client(follow_redirects=True) as there:
        page = there.get(address)
        form = forms(page)[0]
        name = {"username": user["username"], "password": user["password"]}
        page = there.post(page.url.join(form.action), data={**form.fields, **name})
        form = next(f for f in forms(page) if f.action == "/oauth/approve")
        sent = there.post(
            page.url.join(form.action),
            data={**form.fields, "decision": "allow"},
            follow_redirects=False,
        )
    location = sent.headers["location"]
    assert location.startswith(CALLBACK)
    return location.removeprefix(ORIGIN)


async def test_somebody_whom_the_provider_knows_gets_in_with_the_mapped_role(
    door, demo, registered, portal, credentials
):
    await trust(door, demo, registered)
    back = sign_in_there(await go(door, demo, portal), credentials["users"]["therapist_a"])
    entered = await door.http.get(back)
    assert entered.status_code == 303, entered.text
    assert entered.headers["location"] == destination(portal)
    assert (await door.http.get("/account")).status_code == 200
    async with door.units.read() as unit:
        account = (await unit.accounts.people.of_tenant(1))[0]
    assert (account.role, account.fhir_user) == ("therapist", "Practitioner/therapist-a")
    assert account.password_hash is None
    replayed = await door.http.get(back)
    assert replayed.status_code == 401


async def test_a_sign_in_is_as_old_as_the_provider_says(
    door, demo, registered, portal, credentials
):
    await trust(door, demo, registered)
    address = await go(door, demo, portal)
    assert dict(parse_qsl(urlsplit(address).query))["max_age"] == "300"
    back = sign_in_there(address, credentials["users"]["therapist_a"])
    door.clock.turn(200)
    assert (await door.http.get(back)).status_code == 303
    async with door.units.read() as unit:
        cookie = next(c.value for c in door.http.cookies.jar if "session" in c.name)
        found = await door.server.keeper.find(unit.accounts, cookie)
    assert found.session.auth_time <= door.clock.now() - 190 * SECOND


async def test_somebody_without_a_role_here_does_not_get_in(
    door, demo, registered, portal, credentials
):
    await trust(door, demo, registered)
    back = sign_in_there(await go(door, demo, portal), credentials["users"]["therapist_b"])
    assert (await door.http.get(back)).status_code == 401
    assert (await door.http.get("/account")).status_code == 303
    assert door.events.named("login-failed")[-1].reason == "claim role"


async def test_another_browser_cannot_finish_what_this_one_began(
    door, demo, registered, portal, credentials
):
    await trust(door, demo, registered)
    back = sign_in_there(await go(door, demo, portal), credentials["users"]["therapist_a"])
    transport = httpx.ASGITransport(door.app)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as other:
        await other.get("/login")
        assert (await other.get(back)).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "forged"},
        {"code": "forged"},
        {"iss": "https://evil.example.org"},
        {"code": None},
        {"state": None},
    ],
)
async def test_an_answer_that_was_tampered_with_is_refused(
    door, demo, registered, portal, credentials, changes
):
    await trust(door, demo, registered)
    back = sign_in_there(await go(door, demo, portal), credentials["users"]["therapist_a"])
    answer = {**dict(parse_qsl(urlsplit(back).query)), **changes}
    answer = {name: value for name, value in answer.items() if value is not None}
    assert (await door.http.get("/login/callback", params=answer)).status_code == 401
    assert (await door.http.get("/account")).status_code == 303


@pytest.mark.parametrize("changes", [{"client_secret": "wrong"}, {"client_id": "nobody"}])
async def test_a_provider_that_does_not_know_us_lets_nobody_in(
    door, demo, registered, portal, credentials, changes
):
    await trust(door, demo, registered, **changes)
    address = await go(door, demo, portal)
    if "client_id" in changes:
        assert httpx.get(address, follow_redirects=True).status_code == 400
        return
    back = sign_in_there(address, credentials["users"]["therapist_a"])
    assert (await door.http.get(back)).status_code == 401


async def test_a_provider_that_is_trusted_no_longer_is_no_way_in(
    door, demo, registered, portal, credentials
):
    provider = await trust(door, demo, registered)
    back = sign_in_there(await go(door, demo, portal), credentials["users"]["therapist_a"])
    async with door.units.write() as unit:
        await unit.accounts.providers.set_enabled(provider, enabled=False)
    assert (await door.http.get(back)).status_code == 401
    page = await door.http.get("/login", params={"next": destination(portal)})
    assert "Hospital" not in page.text
