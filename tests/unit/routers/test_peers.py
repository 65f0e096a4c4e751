"""Whose address counts: nobody chooses their own."""

import pytest
from starlette.requests import Request

from app.routers.peers import address_of

PROXIES = ("10.0.0.0/8", "2001:db8::/32")


def request(peer, *forwarded):
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return Request({"type": "http", "client": (peer, 1), "headers": headers})


@pytest.mark.parametrize(
    "peer, forwarded, trusted, counted",
    [
        ("203.0.113.9", ("198.51.100.1",), (), "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.1",), PROXIES, "203.0.113.9"),
        ("10.0.0.1", (), PROXIES, "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1",), PROXIES, "198.51.100.1"),
        ("10.0.0.1", ("192.0.2.66, 198.51.100.1",), PROXIES, "198.51.100.1"),  # invented, real
        ("10.0.0.1", ("192.0.2.66, 198.51.100.1, 10.0.0.2",), PROXIES, "198.51.100.1"),
        ("10.0.0.1", ("192.0.2.66, nonsense",), PROXIES, "10.0.0.1"),
        ("10.0.0.1", ("192.0.2.66", "198.51.100.1"), PROXIES, "198.51.100.1"),
        ("2001:db8::1", ("2001:db9::5",), PROXIES, "2001:db9::5"),
    ],
)  # fmt: skip
def test_a_forwarded_address_counts_as_far_as_its_sender_is_trusted(
    peer, forwarded, trusted, counted
):
    assert address_of(request(peer, *forwarded), trusted) == counted
