"""The edge on a real socket: time, framing, names and rates."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.core.errors import AppError
from app.routers.throttle import Throttle
from tests.http.answers import refused
from tests.support.application import running
from tests.support.serving import environment, rapport, serving

HEAD = b"POST /fhir/Patient HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A server with nothing in it."""
    env = environment(tmp_path_factory.mktemp("edge"))
    rapport("migrate", env=env)
    with serving(env, "--no-relay") as server:
        yield server


async def connected(server):
    where = urlsplit(server.base_url)
    return await asyncio.open_connection(where.hostname, where.port)


async def said(server, request):
    """All that the server answers to these octets, until it closes."""
    reader, writer = await connected(server)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


async def trickled(server, first, drop, every=0.5):
    """The answer to what never ends, and how long the server bore it, in seconds."""
    reader, writer = await connected(server)
    began = time.monotonic()
    writer.write(first)

    async def drip():
        while True:
            await asyncio.sleep(every)
            writer.write(drop)

    dripping = asyncio.create_task(drip())
    try:
        answer = await asyncio.wait_for(reader.read(), 40)
    except ConnectionError:
        answer = b""
    finally:
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        writer.close()
    return answer, time.monotonic() - began


@pytest.mark.slow
async def test_who_says_little_is_not_waited_for(plain):
    """Heads, leading blank lines, bodies, chunks, and bodies that an answer did not wait for."""
    login = b"POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    login += b"Content-Type: application/x-www-form-urlencoded\r\n"
    silent, head, blank, body, chunks, unread, second = await asyncio.gather(
        trickled(plain, b"", b""),
        trickled(plain, b"GET /fhir/metadata HTTP/1.1\r\nX-A: ", b"a"),
        trickled(plain, b"\r\n", b"\r\n"),
        trickled(plain, login + b"Content-Length: 1000\r\n\r\n", b"a"),
        trickled(plain, login + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        trickled(plain, HEAD + b"Content-Length: 1000\r\n\r\n", b"a"),
        trickled(
            plain, b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nX-A: ", b"a"
        ),
    )
    assert head[0].startswith(b"HTTP/1.1 408")
    for answer, _ in (body, chunks):  # in OAuth's words
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"did not arrive in time" in answer
    assert unread[0].startswith(b"HTTP/1.1 401")
    assert second[0].startswith(b"HTTP/1.1 200")
    for answer, seconds in (silent, head, blank, body, chunks, unread, second):
        assert seconds > 4, answer  # not before it could have been said
    async with httpx.AsyncClient(base_url=plain.base_url) as http:
        assert (await http.get("/health/live")).is_success


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4",
        b"Content-Length: 4\r\nContent-Length: 4",
        b"Content-Length: 4\r\nContent-Length: 5",
        b"Content-Length: 4, 4",
        b"Content-Length: +4",
        b"Content-Length: -1",
        b"Content-Length : 4",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: \x0bchunked",
        b"X-Folded: a\r\n b\r\nContent-Length: 0",
        b"X-Folded: a\r\n\tb\r\nContent-Length: 0",
        b"X-Nul: a\x00b\r\nContent-Length: 0",
    ],
)
async def test_where_a_body_ends_is_said_in_one_way(plain, framing):
    smuggled = b"GET /fhir/metadata HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer = await said(plain, HEAD + framing + b"\r\n\r\n0\r\n\r\n" + smuggled)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert answer.count(b"HTTP/1.1") == 1


async def test_the_first_version_of_http_knows_no_chunks(plain):
    old = HEAD.replace(b"HTTP/1.1", b"HTTP/1.0")
    answer = await said(plain, old + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")


async def test_a_head_has_a_size(plain):
    answer = await said(plain, HEAD + b"X-A: " + b"a" * 80_000)
    assert answer.startswith(b"HTTP/1.1 431")


async def test_requests_may_follow_each_other(plain):
    one = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    login = b"POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
    login += b"Content-Type: application/x-www-form-urlencoded\r\n\r\n3\r\na=b\r\n0\r\n\r\n"
    answer = await said(plain, one + b"\r\n" + login + one + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.count(b"HTTP/1.1 40") == 1


@pytest.mark.parametrize(
    "host", [b"evil.example.org", b"127.0.0.1.evil.example", b"", b"[::1", b"a b"]
)
async def test_another_host_is_not_served(plain, host):
    request = b"GET /fhir/metadata HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
    answer = await said(plain, request)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert b"OperationOutcome" in answer


async def test_one_host_is_named(plain):
    for lines in (b"", b"Host: 127.0.0.1\r\nHost: evil.example.org\r\n"):
        request = b"GET /fhir/metadata HTTP/1.1\r\n" + lines + b"Connection: close\r\n\r\n"
        assert (await said(plain, request)).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "target, version, status",
    [
        (b"http://evil.example.org/fhir/metadata", b"1.1", b"400"),
        (b"http://127.0.0.1@evil.example.org/fhir/metadata", b"1.1", b"400"),
        (b"http://evil.example.org@127.0.0.1/fhir/metadata", b"1.1", b"400"),
        (b"ftp://127.0.0.1/fhir/metadata", b"1.1", b"400"),
        (b"http://127.0.0.1/fhir/metadata", b"1.1", b"200"),
        (b"HTTP://127.0.0.1/fhir/metadata", b"1.1", b"200"),
        (b"/fhir/metadata", b"2.0", b"505"),
        (b"/fhir/metadata", b"1.2", b"400"),
        (b"/fhir/metadata", b"0.9", b"505"),
    ],
)
async def test_a_whole_address_names_the_same_host_in_a_known_version(
    plain, target, version, status
):
    line = b"GET " + target + b" HTTP/" + version
    answer = await said(plain, line + b"\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status), answer


async def test_what_follows_a_body_is_no_head(plain):
    """A proxy lets fields pass there that it would have taken away, or set itself, in a head."""
    head = b"POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    head += b"Transfer-Encoding: chunked\r\n"
    form = b"Content-Type: application/x-www-form-urlencoded\r\n"
    body = b"\r\n3\r\na=b\r\n0\r\n"
    flaw = b"the body must be application/x-www-form-urlencoded"
    assert flaw not in await said(plain, head + form + body + b"\r\n")
    answer = await said(plain, head + b"Trailer: Content-Type\r\n" + body + form + b"\r\n")
    assert flaw in answer, answer


async def test_in_production_loopback_is_another_host(client):
    assert (await client.get("/fhir/metadata", headers={"Host": "localhost"})).status_code == 400
    assert (await client.get("/health/live", headers={"Host": "10.0.0.7"})).status_code == 200


@pytest.mark.parametrize("path", ["/fhir/Patient", "/fhir/metadata", "/oauth/userinfo", "/login"])
async def test_a_token_is_no_part_of_an_address(clinic, client, path):
    token = await clinic.ehr.token()
    for headers in ({}, {"Authorization": f"Bearer {token}"}):
        answer = await client.get(f"{path}?_count=1&access_token={token}", headers=headers)
        refused(answer, 400, "security")
        assert token not in answer.text
    assert (await client.get(f"{path}?x=access_token={token}")).status_code != 400


async def test_who_asks_too_often_is_told_when_to_come_back(databases, tmp_path):
    rates: dict[str, Any] = {"address_requests_per_second": 500, "client_requests_per_second": 0.01}
    async with running(await databases.make("sqlite"), tmp_path, **rates) as application:
        tenant = await application.add_tenant("busy")
        one = await (await application.register(tenant)).http()
        assert (await one.get("Patient")).status_code == 200
        answer = await one.get("Patient")
        refused(answer, 429, "throttled")
        assert int(answer.headers["retry-after"]) > 1
        await one.aclose()
    rates = {"address_requests_per_second": 1, "client_requests_per_second": 500}
    async with (
        running(await databases.make("sqlite"), tmp_path, **rates) as application,
        application.http() as http,
    ):
        seen = [(await http.get("/fhir/metadata")).status_code for _ in range(40)]
        assert seen[:2] == [200, 200]
        assert 429 in seen
        assert (await http.get("/health/live")).status_code == 200


def test_a_bucket_fills_again():
    now = [0.0]
    throttle = Throttle(2, now=lambda: now[0])
    for _ in range(4):
        throttle.check("a")
    with pytest.raises(AppError) as refusal:
        throttle.check("a")
    assert refusal.value.retry_after == 1
    throttle.check("b")
    now[0] = 0.5
    throttle.check("a")
    with pytest.raises(AppError):
        throttle.check("a")
