"""Where a page ended, sealed: opaque, authenticated, bound to a caller and a query, expiring.

A link may end up in a log or a browser's history, and the place where a page ended can be a
date of birth; so it is encrypted, not only signed. It carries no right: what a caller may see
is judged anew on every page.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.core.clock import SECOND, Clock
from app.core.errors import AppError, Category
from app.core.ids import IdSource
from app.search.expression import Scalar

_NONCE = 12
_VERSION = b"\x01"


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of a page.

    ``order`` are its sort values (None: missing), ``key`` what tells it apart from the others;
    ``total`` what was counted on the first page.
    """

    order: tuple[Scalar, ...]
    key: tuple[int, ...]
    total: int | None = None

    def values(self) -> list[Any]:
        """What a cursor holds."""
        return [self.order, self.key, self.total]

    @classmethod
    def of(cls, values: list[Any]) -> Position:
        """The position that a cursor holds."""
        order, key, total = values
        return cls(tuple(order), tuple(key), total)


class CursorCipher:
    """Seals values with AES-256-GCM and opens them again."""

    def __init__(self, key: bytes, *, clock: Clock, ids: IdSource, lifetime: int) -> None:
        """``key`` is 32 secret bytes, ``lifetime`` in seconds."""
        self._cipher = AESGCM(key)
        self._clock = clock
        self._ids = ids
        self._lifetime = lifetime

    def seal(self, values: list[Any], *, binding: str) -> str:
        """URL-safe text; ``binding`` names the caller and the query it is good for."""
        expires = self._clock.now() + self._lifetime * SECOND
        plain = orjson.dumps([expires, values])
        # Lengths tell what is inside, so text is padded to whole blocks.
        plain += b" " * (-len(plain) % 64)
        nonce = self._ids.random(_NONCE)
        sealed = self._cipher.encrypt(nonce, plain, _VERSION + binding.encode())
        return _text(_VERSION + nonce + sealed)

    def open(self, text: str, *, binding: str) -> list[Any]:
        """The values; an ``invalid`` error where the text is not for this caller and query."""
        try:
            raw = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
            # The last character has bits that say nothing.
            if _text(raw) != text or raw[:1] != _VERSION:
                raise _unusable("was altered")
            nonce, sealed = raw[1 : 1 + _NONCE], raw[1 + _NONCE :]
            plain = self._cipher.decrypt(nonce, sealed, _VERSION + binding.encode())
        except (InvalidTag, ValueError):
            raise _unusable("is not one that this server gave you for this search") from None
        expires, values = orjson.loads(plain)
        if expires <= self._clock.now():
            raise _unusable("has expired: start the search again")
        return list(values)


def digest(pairs: Iterable[tuple[str, str]], *context: str) -> str:
    """What stands for a query: its parameters in their order, and where it was asked."""
    text = orjson.dumps([context, [list(pair) for pair in pairs]])
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _unusable(why: str) -> AppError:
    return AppError.of(Category.INVALID, "value", f"the page link {why}")


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
