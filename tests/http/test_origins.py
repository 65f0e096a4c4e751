"""Pages elsewhere: only those of registered programs may read an answer."""

import pytest

from tests.support.people import add_client

ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


async def preflight(http, origin, path="/fhir/Patient"):
    return await http.options(path, headers={"Origin": origin, **ASKS})


async def test_a_registered_origin_may_and_another_may_not(application, clinic):
    await add_client(clinic, redirect_uris=("https://portal.example.org/callback",))
    application.clock.turn(seconds=11)
    async with application.http() as http:
        allowed = await preflight(http, "https://portal.example.org")
        assert allowed.headers["access-control-allow-origin"] == "https://portal.example.org"
        assert "access-control-allow-credentials" not in allowed.headers
        answer = await http.get("/fhir/Patient", headers={"Origin": "https://portal.example.org"})
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == "https://portal.example.org"
        assert "ETag" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.org", "null", "https://portal.example.org.evil.example",
        "http://portal.example.org", "https://portal.example.org:444",
    ],
)  # fmt: skip
async def test_an_origin_that_is_not_registered_reads_nothing(application, clinic, origin):
    await add_client(clinic, redirect_uris=("https://portal.example.org/callback",))
    application.clock.turn(seconds=11)
    async with application.http() as http:
        assert "access-control-allow-origin" not in (await preflight(http, origin)).headers
        answer = await http.get("/fhir/Patient", headers={"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/.well-known/smart-configuration", "/.well-known/openid-configuration",
        "/fhir/metadata",
    ],
)  # fmt: skip
async def test_discovery_is_open_to_all(application, path):
    async with application.http() as http:
        answer = await http.get(path, headers={"Origin": "https://anybody.example.org"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        asked = await preflight(http, "https://anybody.example.org", path)
        assert asked.status_code == 400  # to read, not to POST
        reading = {"Origin": "https://anybody.example.org", "Access-Control-Request-Method": "GET"}
        allowed = await http.options(path, headers=reading)
        assert allowed.headers["access-control-allow-origin"] == "*"
