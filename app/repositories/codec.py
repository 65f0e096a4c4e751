"""How stored text becomes bytes at rest and comes back: sealed once, opened before use.

Each owner (a patient, a couple, the clinic) has a key of its own, wrapped under a key of the
tenant, which is wrapped under the root key. Text is compressed and sealed with AES-256-GCM; the
associated data ``tenant|type|id|version`` ties it to its row, so that no row can stand in for
another. ``cipher`` names how a row was sealed, so rows sealed in different ways live side by side.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.core.errors import AppError, Category

IDENTITY, ENVELOPE = 0, 1
_NONCE = 12
_ID = 8  # octets of a tenant key's id
_UNDER_DERIVED = _NONCE + 32 + 16  # as long as a key wrapped before tenants had keys of their own


class Wrapped(NamedTuple):
    """A tenant's key under a root key, and what that root key is called."""

    root: str
    octets: bytes


class KeyEncryption(Protocol):
    """Wraps tenants' keys under the root key, which is in a file or never leaves a service.

    Raises ``unavailable`` where the root key cannot be had, or is not the one that wrapped.
    """

    async def wrap(self, octets: bytes, *, about: str) -> Wrapped:
        """The octets under the root key that is in use, bound to what they are ``about``."""
        ...

    async def unwrap(self, wrapped: Wrapped, *, about: str) -> bytes:
        """The octets again."""
        ...


class Sealed(NamedTuple):
    """Bytes at rest: the body, the cipher's number, the key and the nonce.

    The key is its id in a row, and its wrapped octets when the row is read.
    """

    body: bytes
    cipher: int
    key_id: str | bytes | None
    nonce: bytes | None

    @property
    def is_destroyed(self) -> bool:
        """Whether the key was: nobody can read this again."""
        return self.cipher == ENVELOPE and self.key_id is not None and not self.key_id


class DataKey(NamedTuple):
    """An owner's key: its id and its octets, wrapped."""

    key_id: str
    wrapped: bytes


class TenantKeyAbsent(AppError):
    """A tenant's key is not in memory yet; ``DataKeys.opening`` brings it."""

    def __init__(self, tenant: int) -> None:
        self.tenant = tenant
        super().__init__(Category.UNAVAILABLE, _unavailable().issues)


class EnvelopeCodec:
    """Makes keys, seals text for storage and opens it again.

    ``derive`` gives the key of a purpose, the same each time; ``random`` gives random octets.
    It holds in memory the tenants' keys that it was given.
    """

    def __init__(self, derive: Callable[[str], bytes], random: Callable[[int], bytes]) -> None:
        self._derive = derive
        self.random = random
        self._held: dict[tuple[int, bytes], AESGCM] = {}
        self._derived = lru_cache(maxsize=256)(self._derived_key)
        self._unwrapped = lru_cache(maxsize=16384)(self._unwrap)

    def hold(self, tenant: int, key_id: str, octets: bytes) -> None:
        """Keeps a tenant's key in memory."""
        self._held[tenant, bytes.fromhex(key_id)] = AESGCM(octets)

    def holds(self, tenant: int, key_id: str) -> bool:
        """Whether a tenant's key is in memory."""
        return (tenant, bytes.fromhex(key_id)) in self._held

    def new_key(self, tenant: int, owner: str, *, under: str) -> DataKey:
        """A fresh key of an owner, wrapped under a key of the tenant that is held."""
        octets = self.random(32)
        return DataKey(self.random(12).hex(), self._wrap(octets, tenant, owner, under))

    def rewrapped(self, wrapped: bytes, tenant: int, owner: str, *, under: str) -> bytes:
        """An owner's key under another key of the tenant."""
        return self._wrap(self._octets(wrapped, tenant, owner), tenant, owner, under)

    def secret(self, key: DataKey, tenant: int, owner: str) -> bytes:
        """The octets of a key that seals nothing, but keys hashes."""
        return self._octets(key.wrapped, tenant, owner)

    def seal(self, text: bytes, *, key: DataKey, owner: str, context: str) -> Sealed:
        """Seals a text under its owner's key; ``context`` is ``tenant|type|id|version``."""
        if not text:  # a deletion keeps nothing
            return Sealed(text, IDENTITY, None, None)
        nonce = self.random(_NONCE)
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

    def _wrap(self, octets: bytes, tenant: int, owner: str, under: str) -> bytes:
        nonce, key_id = self.random(_NONCE), bytes.fromhex(under)
        return (
            key_id + nonce + self._key(tenant, key_id).encrypt(nonce, octets, _about(tenant, owner))
        )

    def _unwrap(self, wrapped: bytes, tenant: int, owner: str) -> AESGCM:
        return AESGCM(self._octets(wrapped, tenant, owner))

    def _octets(self, wrapped: bytes, tenant: int, owner: str) -> bytes:
        if len(wrapped) == _UNDER_DERIVED:
            key = self._derived(tenant)
        else:
            key, wrapped = self._key(tenant, wrapped[:_ID]), wrapped[_ID:]
        return key.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _about(tenant, owner))

    def _key(self, tenant: int, key_id: bytes) -> AESGCM:
        held = self._held.get((tenant, key_id))
        if held is None:
            raise TenantKeyAbsent(tenant)
        return held

    def _derived_key(self, tenant: int) -> AESGCM:
        return AESGCM(self._derive(f"data keys of tenant {tenant}"))


def _about(tenant: int, owner: str) -> bytes:
    return f"{tenant}|{owner}".encode()


def _tenant(context: str) -> int:
    return int(context.partition("|")[0])


def _unavailable() -> AppError:
    return AppError.of(Category.UNAVAILABLE, "exception", "the key is not available")
