"""Where a request comes from: the peer, or what a trusted proxy says of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.requests import HTTPConnection


def address_of(request: HTTPConnection, trusted: Sequence[str]) -> str | None:
    """The client's address.

    ``X-Forwarded-For`` counts only where a trusted proxy sent it, read from the right: the
    first address that is not a trusted proxy's is the client's.
    """
    peer = request.client.host if request.client else None
    if peer is None or not _within(peer, trusted):
        return peer
    lines = request.headers.getlist("x-forwarded-for")  # a proxy may add a line of its own
    hops = [hop.strip() for hop in ",".join(lines).split(",")]
    for hop in reversed([hop for hop in hops if hop]):
        if not _is_address(hop):
            return peer
        if not _within(hop, trusted):
            return hop
    return peer


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _within(address: str, networks: Sequence[str]) -> bool:
    if not networks or not _is_address(address):
        return False
    ip = ipaddress.ip_address(address)
    return any(ip in ipaddress.ip_network(network, strict=False) for network in networks)
