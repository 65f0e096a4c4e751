"""Bodies that come packed: gzip, opened piece by piece and never past what a body may be.

RFC 9110 section 8.4 and RFC 1952. Below the FHIR base alone, where no body is read of whoever
has no token of ours.
"""

from __future__ import annotations

import zlib
from typing import Final

from app.core.errors import AppError, Category
from app.routers.negotiation import NotTaken

TAKEN: Final = "gzip"
PLAIN: Final = "identity"
_HEADER: Final = "Accept-Encoding"
_GZIP: Final = 31  # zlib's word for a gzip header and trailer around 32 KiB of window


class Opening:
    """One packed body of at most ``most`` octets when it is open."""

    def __init__(self, most: int) -> None:
        self._inflate = zlib.decompressobj(wbits=_GZIP)
        self._left = most

    def piece(self, packed: bytes, *, is_last: bool) -> bytes:
        """What the next piece opens to; raises ``too-large``, or ``invalid`` for no gzip."""
        try:
            piece = self._inflate.decompress(packed, self._left + 1)
        except zlib.error:
            raise _malformed() from None
        self._left -= len(piece)
        if self._left < 0:
            raise too_large()
        if self._inflate.unused_data or (is_last and not self._inflate.eof):
            raise _malformed()
        return piece


def unknown(*, is_fhir: bool) -> AppError:
    """The refusal of a body in an encoding that is not opened there."""
    words = "bodies are taken as they are"
    if is_fhir:
        return NotTaken(f"{words} or as {TAKEN}", _HEADER, TAKEN)
    return NotTaken(words, _HEADER, PLAIN)


def too_large() -> AppError:
    """The refusal of a body past its limit."""
    return AppError.of(Category.TOO_LARGE, "too-long", "the body is too large")


def _malformed() -> AppError:
    return AppError.of(Category.INVALID, "structure", "the body is not one whole gzip stream")
