"""How stored text becomes bytes at rest and comes back: sealed once, opened before use.

Each owner (a patient, a couple, the clinic) has a key of its own, wrapped under the tenant's
key, which follows from the root key. Text is compressed and sealed with AES-256-GCM; the
associated data ``tenant|type|id|version`` ties it to its row, so that no row can stand in for
another. ``cipher`` names how a row was sealed, so rows sealed in different ways live side by side.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.core.errors import AppError, Category

IDENTITY, ENVELOPE = 0, 1
_NONCE = 12


class Sealed(NamedTuple):
    """Bytes at rest: the body, the cipher's number, the key and the nonce.

    The key is its id in a row, and its wrapped octets when the row is read.
    """

    body: bytes
    cipher: int
    key_id: str | bytes | None
    nonce: bytes | None


class DataKey(NamedTuple):
    """An owner's key: its id and its octets, wrapped."""

    key_id: str
    wrapped: bytes


class EnvelopeCodec:
    """Makes keys, seals text for storage and opens it again.

    ``derive`` gives the key of a purpose, the same each time; ``random`` gives random octets.
    """

    def __init__(self, derive: Callable[[str], bytes], random: Callable[[int], bytes]) -> None:
        self._derive = derive
        self._random = random
        self._wrapping = lru_cache(maxsize=256)(self._wrapping_key)
        self._unwrapped = lru_cache(maxsize=16384)(self._unwrap)

    def new_key(self, tenant: int, owner: str) -> DataKey:
        """A fresh key of an owner."""
        nonce = self._random(_NONCE)
        sealed = self._wrapping(tenant).encrypt(nonce, self._random(32), _about(tenant, owner))
        return DataKey(self._random(12).hex(), nonce + sealed)

    def seal(self, text: bytes, *, key: DataKey, owner: str, context: str) -> Sealed:
        """Seals a text under its owner's key; ``context`` is ``tenant|type|id|version``."""
        if not text:  # a deletion keeps nothing
            return Sealed(text, IDENTITY, None, None)
        nonce = self._random(_NONCE)
        cipher = self._unwrapped(key.wrapped, _tenant(context), owner)
        body = cipher.encrypt(nonce, zlib.compress(text, 1), context.encode())
        return Sealed(body, ENVELOPE, key.key_id, nonce)

    def open(self, sealed: Sealed, *, owner: str, context: str) -> bytes:
        """The text that was sealed for this owner and context."""
        if sealed.cipher == IDENTITY:
            return sealed.body
        if sealed.cipher != ENVELOPE or not isinstance(sealed.key_id, bytes | memoryview):
            raise _unavailable()
        if not sealed.key_id or sealed.nonce is None:
            raise _unavailable()
        try:
            cipher = self._unwrapped(bytes(sealed.key_id), _tenant(context), owner)
            text = cipher.decrypt(bytes(sealed.nonce), sealed.body, context.encode())
        except InvalidTag:
            raise _unavailable() from None
        return zlib.decompress(text)

    def _wrapping_key(self, tenant: int) -> AESGCM:
        return AESGCM(self._derive(f"data keys of tenant {tenant}"))

    def _unwrap(self, wrapped: bytes, tenant: int, owner: str) -> AESGCM:
        nonce, sealed = wrapped[:_NONCE], wrapped[_NONCE:]
        return AESGCM(self._wrapping(tenant).decrypt(nonce, sealed, _about(tenant, owner)))


def _about(tenant: int, owner: str) -> bytes:
    return f"{tenant}|{owner}".encode()


def _tenant(context: str) -> int:
    return int(context.partition("|")[0])


def _unavailable() -> AppError:
    return AppError.of(Category.UNAVAILABLE, "exception", "the key is not available")
