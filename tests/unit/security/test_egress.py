"""Fetching on behalf of others: only public addresses, and the very address that was judged."""

import httpx
import pytest

from app.security.egress import MAX_BODY, GuardedFetch, is_public
from app.security.ports import FetchRefused

URL = "https://keys.example.org/jwks"


class Wire(httpx.AsyncBaseTransport):
    """Keeps what was asked and answers one thing."""

    def __init__(self, status=200, body=b"{}", headers=()):
        self.asked = []
        self.answer = (status, body, dict(headers))

    async def handle_async_request(self, request):
        self.asked.append(request)
        status, body, headers = self.answer
        return httpx.Response(status, stream=httpx.ByteStream(body), headers=headers)


def fetch(wire, *addresses, demo=False):
    async def resolve(host, port):
        return list(addresses)

    return GuardedFetch(demo=demo, resolve=resolve, transport=wire)


async def test_it_connects_to_the_address_it_judged_under_the_name_it_was_told():
    wire = Wire(body=b'{"keys":[]}', headers={"cache-control": "max-age=120"})
    found = await fetch(wire, "93.184.216.34")(URL)
    assert (found.body, found.max_age) == (b'{"keys":[]}', 120)
    request = wire.asked[0]
    assert request.url.host == "93.184.216.34"
    assert request.headers["host"] == "keys.example.org"
    assert request.extensions["sni_hostname"] == "keys.example.org"
    assert "cookie" not in request.headers


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.1.2.3",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2", "ff02::1", "192.0.2.1", "198.18.0.1", "nonsense",
        "192.0.0.192", "192.88.99.1", "::7f00:1", "::a9fe:a9fe", "fec0::1", "5f00::1", "3fff::1",
        "2001:db8::1", "64:ff9b:1::a9fe:a9fe", "fe80::1%eth0",
    ],
)  # fmt: skip
async def test_an_address_inside_is_not_reached(address):
    assert not is_public(address)
    wire = Wire()
    for addresses in ([address], ["93.184.216.34", address]):
        with pytest.raises(FetchRefused):
            await fetch(wire, *addresses)(URL)
    assert wire.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://keys.example.org/", "file:///etc/passwd", "data:application/json,{}", "//x/",
        "https://user@keys.example.org/", "https://keys.example.org@127.0.0.1/",
        "https://keys.example.org/#x", "https://", "https://keys.example.org:99999/",
        "https://keys.example.org\\@evil/", "https://keys.exam ple.org/", "gopher://x/",
        "https://k\u0435ys.example.org/", "https://[::1", "https://x/" + "a" * 3000, "",
    ],
)  # fmt: skip
async def test_what_is_no_plain_https_address_is_not_asked(url):
    wire = Wire()
    with pytest.raises(FetchRefused):
        await fetch(wire, "93.184.216.34")(url)
    assert wire.asked == []


@pytest.mark.parametrize(
    "wire",
    [
        Wire(status=302, headers={"location": "http://169.254.169.254/"}),
        Wire(status=404),
        Wire(status=500),
        Wire(body=b"x" * (MAX_BODY + 1)),
        Wire(headers={"content-encoding": "gzip"}),
    ],
)
async def test_an_answer_that_is_not_plain_and_small_is_not_used(wire):
    with pytest.raises(FetchRefused):
        await fetch(wire, "93.184.216.34")(URL)
    assert len(wire.asked) == 1


@pytest.mark.parametrize(
    "header, kept",
    [
        ("max-age=60", 60), ("public, max-age=9999999", 3600), ("no-store", 0),
        ("no-cache, max-age=60", 0), ("max-age=0", 0), ("", 60), ("nonsense", 60),
    ],
)  # fmt: skip
async def test_it_is_kept_as_long_as_its_headers_say(header, kept):
    wire = Wire(headers={"cache-control": header} if header else {})
    assert (await fetch(wire, "93.184.216.34")(URL)).max_age == kept


async def test_only_the_demo_reaches_this_machine():
    wire = Wire()
    await fetch(wire, "127.0.0.1", demo=True)("http://localhost:9000/jwks")
    with pytest.raises(FetchRefused):
        await fetch(wire, "10.0.0.1", demo=True)("http://localhost:9000/jwks")
