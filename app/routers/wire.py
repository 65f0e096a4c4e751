"""The connection: HTTP/1.1 as uvicorn reads it, with ends to a peer's patience.

A head must be complete within ``HEAD_SECONDS`` and ``MAX_HEAD`` bytes, and what is left of a
body that nobody waits for any more must come as soon. How a body ends must be said in one way:
the parser refuses both lengths, a length twice and folded lines (RFC 9112 5.2, 6.3), and this
what is not exactly ``chunked``. A whole address in the first line must name the host that the
head names, and what follows a body is no part of a head (RFC 9110 6.5.1). Bodies that somebody
waits for are the guard's.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

HEAD_SECONDS: Final = 10.0
MAX_HEAD: Final = 64 * 1024
_AUTHORITY_ENDS = re.compile(b"[/?#]")


class GuardedConnection(HttpToolsProtocol):
    """One connection; its peer may not keep it open by saying little."""

    _due: asyncio.TimerHandle | None = None
    _in_body = False  # between the end of a head and the end of its body
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head is due."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes octets; a head that has begun is due."""
        if not self._in_body:
            self._head_bytes += len(data)
            if self._answered():
                self._wait()
        super().data_received(data)
        if not self._in_body and self._head_bytes > MAX_HEAD:
            self._refuse(431)

    def on_message_begin(self) -> None:
        """A head has begun."""
        super().on_message_begin()
        self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of a head; one that follows a body is left out."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._arrived()
        self._in_body, self._head_bytes = True, 0
        if self.parser.get_http_version() not in ("1.0", "1.1"):
            self._refuse(505)
            return
        if not self._is_for_its_host():
            self._refuse(400)
            return
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        is_old = self.parser.get_http_version() == "1.0"
        if codings and (is_old or [coding.lower() for coding in codings] != [b"chunked"]):
            self._refuse(400)
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A body is complete."""
        self._arrived()
        self._in_body = False
        if not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is sent; the rest of a body that it did not wait for is due."""
        super().on_response_complete()
        if self._in_body:
            self._wait()

    def _is_for_its_host(self) -> bool:
        """Whether a first line that names a whole address names the host of the head."""
        if self.url[:1] in (b"/", b"*"):
            return True
        scheme, _, rest = self.url.partition(b"://")
        hosts = [value.lower() for name, value in self.headers if name == b"host"]
        authority = _AUTHORITY_ENDS.split(rest, maxsplit=1)[0].lower()
        return scheme.lower() in (b"http", b"https") and hosts == [authority]

    def _answered(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _wait(self) -> None:
        if self._due is None and not self.transport.is_closing():
            self._due = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def _arrived(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _too_late(self) -> None:
        self._due = None
        self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Ends the connection, after the answer under way where there is one."""
        if not self._answered():
            self.cycle.keep_alive = False
        elif not self.transport.is_closing():
            if status != 408 or not self._in_body:  # else it has had its answer
                head = b"content-length: 0\r\nconnection: close\r\n\r\n"
                self.transport.write(STATUS_LINE[status] + head)
            self.transport.close()
