"""Time-based one-time passwords (RFC 6238: SHA-1, six digits, thirty seconds), each good once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from typing import Final
from urllib.parse import quote, urlencode

from app.core.clock import SECOND

PERIOD: Final = 30
DIGITS: Final = 6
SECRET_SIZE: Final = 20


def code(secret: bytes, step: int) -> str:
    """The code of a time step."""
    digest = hmac.new(secret, struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def matching_step(secret: bytes, given: str, *, now: int) -> int | None:
    """The step whose code was given: this one or a neighbour, for clocks that differ."""
    digits = given.replace(" ", "")
    current = now // SECOND // PERIOD
    found = None
    for step in (current - 1, current, current + 1):
        if hmac.compare_digest(code(secret, step).encode(), digits.encode()):
            found = step
    return found


def secret_text(secret: bytes) -> str:
    """The secret as authenticator apps take it."""
    return base64.b32encode(secret).decode().rstrip("=")


def secret_octets(text: str) -> bytes:
    """The secret of such a text."""
    return base64.b32decode(text + "=" * (-len(text) % 8))


def address(secret: bytes, *, account: str, issuer: str) -> str:
    """The ``otpauth`` address that opens an authenticator app."""
    query = urlencode({"secret": secret_text(secret), "issuer": issuer})
    return f"otpauth://totp/{quote(issuer)}:{quote(account)}?{query}"
