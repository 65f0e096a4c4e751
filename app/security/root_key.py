"""The root key: one secret in a file, everything else under it.

It seals what must be kept secret at rest and derives one key for each purpose (HKDF, RFC 5869),
so that no two purposes share key material. It also wraps the tenants' keys, where no key service
does.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.errors import AppError, Category
from app.core.ids import IdSource
from app.repositories.codec import Wrapped

_HEX_KEY = re.compile(r"[0-9a-f]{64}")
NONCE_SIZE: Final = 12
_TENANT_KEY: Final = "tenant keys"
_NEXT: Final = "next "


class KeyUnavailable(Exception):
    """The root key is missing or is not a key: nothing may start."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """Octets under AES-256-GCM."""

    octets: bytes
    nonce: bytes


class RootKey:
    """The installation's secret; it never leaves this object.

    The file holds one key a line: the first is in use, those after it were before and still open
    what they sealed; one after ``next`` will be in use. It is read again when none of them opens
    something, since another process may have turned the key over.
    """

    __slots__ = ("_following", "_ids", "_keys", "_path")

    def __init__(
        self,
        octets: bytes,
        ids: IdSource,
        *former: bytes,
        following: bytes | None = None,
        path: Path | None = None,
    ) -> None:
        if len(octets) != 32:
            raise KeyUnavailable("the root key must have 32 octets")
        self._keys = (octets, *former)
        self._following = following
        self._ids = ids
        self._path = path

    @classmethod
    def load(cls, path: Path, ids: IdSource) -> RootKey:
        """The keys in a file, 64 hexadecimal digits a line."""
        keys, following = _read(path)
        return cls(keys[0], ids, *keys[1:], following=following, path=path)

    @classmethod
    def ensure(cls, path: Path, ids: IdSource) -> RootKey:
        """The key in a file, which is made with a new key (mode 0600) where there is none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls.load(path, ids)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(ids.random(32).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        return cls.load(path, ids)

    @property
    def name(self) -> str:
        """What the key in use is called: it tells nothing of it."""
        return _named(self._keys[0])

    def derive(self, purpose: str) -> bytes:
        """The 32-octet key of one purpose, the same each time."""
        return _derived(self._keys[0], purpose)

    def derivations(self, purpose: str) -> list[bytes]:
        """The keys of one purpose under each root key, the one in use first."""
        following = () if self._following is None else (self._following,)
        return [_derived(each, purpose) for each in (*self._keys, *following)]

    def seal(self, octets: bytes, *, purpose: str, about: str) -> Sealed:
        """Encrypts octets, bound to what they are about."""
        nonce = self._ids.random(NONCE_SIZE)
        return Sealed(AESGCM(self.derive(purpose)).encrypt(nonce, octets, about.encode()), nonce)

    def open(self, sealed: Sealed, *, purpose: str, about: str) -> bytes:
        """Decrypts octets; raises ``KeyUnavailable`` if they were sealed otherwise."""
        for again in (False, True):
            if again and self._path is not None:
                self._keys, self._following = _read(self._path)
            for key in self.derivations(purpose):
                try:
                    return AESGCM(key).decrypt(sealed.nonce, sealed.octets, about.encode())
                except InvalidTag:
                    continue
        raise KeyUnavailable(f"{about} was not sealed under this root key")

    async def wrap(self, octets: bytes, *, about: str) -> Wrapped:
        """A tenant's key under the key in use."""
        sealed = self.seal(octets, purpose=_TENANT_KEY, about=about)
        return Wrapped(self.name, sealed.nonce + sealed.octets)

    async def unwrap(self, wrapped: Wrapped, *, about: str) -> bytes:
        """A tenant's key again; raises ``unavailable`` where no root key here wrapped it."""
        sealed = Sealed(wrapped.octets[NONCE_SIZE:], wrapped.octets[:NONCE_SIZE])
        try:
            return self.open(sealed, purpose=_TENANT_KEY, about=about)
        except KeyUnavailable:
            raise AppError.of(
                Category.UNAVAILABLE, "exception", "the key is not available"
            ) from None

    def prepare(self) -> None:
        """Adds the key that will be next to the file, to be copied to the other machines."""
        if self._following is None:
            self._replace(*self._keys, following=self._ids.random(32))

    def turn_over(self) -> None:
        """The key that was prepared is in use from now on, or a new one.

        While there are former keys, a turn that was interrupted goes on, and nothing changes.
        """
        if self._following is not None or len(self._keys) == 1:
            self._replace(self._following or self._ids.random(32), *self._keys)

    def forget_former(self) -> None:
        """Leaves only the key in use in the file."""
        self._replace(self._keys[0])

    def _replace(self, *keys: bytes, following: bytes | None = None) -> None:
        assert self._path is not None
        made = self._path.with_suffix(".new")
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.writelines(f"{key.hex()}\n" for key in keys)
            if following is not None:
                file.write(f"{_NEXT}{following.hex()}\n")
            file.flush()
            os.fsync(file.fileno())
        made.replace(self._path)
        self._keys, self._following = keys, following


def _read(path: Path) -> tuple[tuple[bytes, ...], bytes | None]:
    try:
        lines = path.read_text("ascii").strip().splitlines()
    except (OSError, ValueError):
        raise KeyUnavailable(f"no root key in {path}") from None
    following = lines.pop().removeprefix(_NEXT) if lines and lines[-1].startswith(_NEXT) else None
    if not lines or not all(_HEX_KEY.fullmatch(line) for line in (*lines, following or lines[0])):
        raise KeyUnavailable(f"no root key in {path}")
    keys = tuple(bytes.fromhex(line) for line in lines)
    return keys, None if following is None else bytes.fromhex(following)


def _derived(key: bytes, purpose: str) -> bytes:
    return HKDF(
        algorithm=hashes.SHA256(), length=32, salt=None, info=b"rapport " + purpose.encode()
    ).derive(key)


def _named(key: bytes) -> str:
    return f"file:{_derived(key, 'name of this key')[:8].hex()}"
