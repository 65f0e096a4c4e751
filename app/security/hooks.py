"""Posting to the endpoints of subscribers, who are not us and not to be believed.

Resolved, judged and connected to as ``egress.py`` does it, one connection for each post, since two
names may share an address and not a certificate. No redirect is followed, and of the answer
nothing counts but that it is a success.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Final, Protocol

import httpx

from app.security.egress import Egress, Resolve, resolve
from app.security.ports import FetchRefused

_GRACE: Final = 1.0


class NotTaken(Exception):
    """It was not taken; ``reached`` tells whether somebody may have read it all the same.

    The text is ours and holds nothing of an answer.
    """

    def __init__(self, words: str, *, reached: bool) -> None:
        super().__init__(words)
        self.words = words
        self.reached = reached


class Post(Protocol):
    """Posts to endpoints."""

    def check(self, url: str) -> None:
        """Raises ``FetchRefused`` for a URL that will never be posted to."""
        ...

    async def __call__(
        self, url: str, body: bytes, *, headers: Sequence[tuple[str, str]], within: float
    ) -> None:
        """Posts a FHIR resource ``within`` so many seconds, or raises ``NotTaken``."""
        ...


class GuardedPost:
    """Posts over a connection of its own."""

    def __init__(
        self,
        *,
        demo: bool,
        resolve: Resolve = resolve,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._egress = Egress(demo=demo, resolve=resolve)
        self._trust = trust

    def check(self, url: str) -> None:
        """Raises ``FetchRefused`` for a URL that will never be posted to."""
        self._egress.checked(url)

    async def __call__(
        self, url: str, body: bytes, *, headers: Sequence[tuple[str, str]], within: float
    ) -> None:
        """Posts a FHIR resource ``within`` so many seconds, or raises ``NotTaken``."""
        reached = False

        async def watch(step: str, _: object) -> None:
            nonlocal reached
            reached = reached or step == "http11.send_request_headers.started"

        try:
            # Each step ends in time by itself and then closes what it opened, which one that is
            # cut off from outside does not; what goes on in small steps is cut off.
            async with asyncio.timeout(within + _GRACE):
                pinned = await self._egress.pinned(self._egress.checked(url))
                own = [
                    ("Host", pinned.netloc),
                    ("Content-Type", "application/fhir+json"),
                    ("Accept-Encoding", "identity"),
                ]
                request = httpx.Request(
                    "POST",
                    pinned.url,
                    content=body,
                    headers=[*own, *headers],
                    extensions={
                        **pinned.extensions,
                        "timeout": httpx.Timeout(within).as_dict(),
                        "trace": watch,
                    },
                )
                async with httpx.AsyncHTTPTransport(verify=self._verified()) as transport:
                    response = await transport.handle_async_request(request)
                    await response.aclose()
        except FetchRefused:
            raise NotTaken("the endpoint may not be reached", reached=False) from None
        except (TimeoutError, httpx.HTTPError, OSError, ValueError):
            words = "the endpoint gave no answer" if reached else "the endpoint cannot be reached"
            raise NotTaken(words, reached=reached) from None
        if not response.is_success:
            raise NotTaken("the endpoint did not answer with success", reached=True)

    def _verified(self) -> ssl.SSLContext:
        """Whom to believe, read once: it takes longer than a delivery."""
        if self._trust is None:
            self._trust = httpx.create_ssl_context()
        return self._trust
