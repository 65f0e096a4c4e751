"""Fetching what others told us to fetch, without becoming their messenger inside the network.

Only https; the name is resolved here, every address it has must be public, and the connection
goes to the address that was judged, so a second answer of the name server changes nothing. No
redirects, no proxy, no cookies; a small body, soon. What is sent to others goes the same way
(``hooks.py``).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx

from app.security.ports import Fetched, FetchRefused

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

MAX_BODY: Final = 64 * 1024
TIMEOUT: Final = 5.0
_LONGEST_KEPT: Final = 3600
_KEPT_UNSAID: Final = 60
_MAX_AGE = re.compile(r"max-age\s*=\s*\"?(\d{1,9})")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\]")
# Some resolvers read one number as the four of an address.
_HEXADECIMAL = re.compile(r"(?:.*\.)?0x[0-9a-f]*", re.IGNORECASE)
_HERE: Final = frozenset(("localhost", "local", "internal", "lan", "home", "corp"))
# Of IPv6 only what is given out for the open Internet (RFC 4291 section 2.4), less what leads to
# other addresses (6to4, Teredo and other protocols') or nowhere (documentation).
_UNICAST: Final = ipaddress.ip_network("2000::/3")
_NOT_OPEN: Final = (
    ipaddress.ip_network("2001::/23"),
    ipaddress.ip_network("2001:db8::/32"),
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("3fff::/20"),
    ipaddress.ip_network("192.0.0.0/24"),  # protocols', and where some clouds tell their secrets
    ipaddress.ip_network("192.88.99.0/24"),
)


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, from the system's resolver."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise FetchRefused("the host has no address") from None
    return [str(entry[4][0]) for entry in found]


def is_public(address: str) -> bool:
    """Whether an address is one of the open Internet, and leads to itself."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip not in _UNICAST:
            return False
    if any(ip in network for network in _NOT_OPEN):
        return False
    return ip.is_global and not ip.is_multicast


def is_loopback(address: str) -> bool:
    """Whether an address is this machine."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def checked_url(url: str, *, demo: bool) -> SplitResult:
    """A URL that may be fetched, taken apart, or ``FetchRefused``. The demo may use http."""
    if not url.isascii() or len(url) > 2048 or any(c.isspace() or c == "\\" for c in url):
        raise FetchRefused("not a plain URL")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise FetchRefused("not a URL") from None
    if parts.scheme != "https" and not (demo and parts.scheme == "http"):
        raise FetchRefused("not https")
    if "@" in parts.netloc or parts.fragment or not _HOST.fullmatch(_host(parts)):
        raise FetchRefused("not a plain URL")
    return parts


@dataclass(frozen=True, slots=True)
class Pinned:
    """A URL whose host is an address that may be reached; ``host`` is the name it stands for."""

    url: str
    netloc: str
    host: str

    @property
    def extensions(self) -> dict[str, str]:
        """The certificate must be the name's, although the connection is the address's."""
        return {"sni_hostname": self.host}


class Egress:
    """Says where a URL may be reached. In the demo, and only there, loopback counts as public."""

    def __init__(self, *, demo: bool, resolve: Resolve = resolve) -> None:
        self._demo = demo
        self._resolve = resolve

    def checked(self, url: str) -> SplitResult:
        """A URL that may be asked for, as far as it tells by itself, or ``FetchRefused``."""
        parts = checked_url(url, demo=self._demo)
        host = (parts.hostname or "").rstrip(".")
        is_number = host.rpartition(".")[2].isdigit() or _HEXADECIMAL.fullmatch(host) is not None
        if (":" in host or is_number) and not self.may_reach(host):
            raise FetchRefused("an address that is not public")
        if host.rpartition(".")[2] in _HERE and not self._demo:
            raise FetchRefused("an address that is not public")
        if parts.scheme == "http" and host != "localhost" and not is_loopback(host):
            raise FetchRefused("not https")
        return parts

    async def pinned(self, parts: SplitResult) -> Pinned:
        """The URL at the address that its name has now, or ``FetchRefused``."""
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = await self._resolve(host, port)
        if not addresses or not all(self.may_reach(address) for address in addresses):
            raise FetchRefused("an address that is not public")
        literal = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        url = parts._replace(netloc=f"{literal}:{port}").geturl()
        return Pinned(url, parts.netloc, host)

    def may_reach(self, address: str) -> bool:
        """Whether an address may be connected to."""
        return is_public(address) or (self._demo and is_loopback(address))


class GuardedFetch:
    """Gets small public documents."""

    def __init__(
        self,
        *,
        demo: bool,
        resolve: Resolve = resolve,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._demo = demo
        self._egress = Egress(demo=demo, resolve=resolve)
        self._transport = transport

    async def __call__(self, url: str, *, form: Mapping[str, str] | None = None) -> Fetched:
        """The document at ``url``, or the answer to a form; or ``FetchRefused``."""
        parts = checked_url(url, demo=self._demo)
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._ask(parts, form)
        except (TimeoutError, httpx.HTTPError, OSError):
            raise FetchRefused("no answer") from None

    async def _ask(self, parts: SplitResult, form: Mapping[str, str] | None) -> Fetched:
        pinned = await self._egress.pinned(parts)
        async with (
            httpx.AsyncClient(
                transport=self._transport, trust_env=False, follow_redirects=False
            ) as client,
            client.stream(
                "GET" if form is None else "POST",
                pinned.url,
                data=form,
                headers={
                    "Host": pinned.netloc,
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                },
                extensions=pinned.extensions,
            ) as response,
        ):
            return await _read(response)


async def _read(response: httpx.Response) -> Fetched:
    if response.status_code != 200 or "content-encoding" in response.headers:
        raise FetchRefused("not a plain 200 answer")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BODY:
            raise FetchRefused("too large")
    return Fetched(bytes(body), _lifetime(response.headers.get("cache-control", "")))


def _lifetime(cache_control: str) -> int:
    directives = cache_control.lower()
    if "no-store" in directives or "no-cache" in directives:
        return 0
    match = _MAX_AGE.search(directives)
    return min(int(match[1]), _LONGEST_KEPT) if match else _KEPT_UNSAID


def _host(parts: SplitResult) -> str:
    host = parts.netloc.rpartition("@")[2].lower()
    if host.startswith("["):
        return host[: host.find("]") + 1]
    return host.partition(":")[0]
