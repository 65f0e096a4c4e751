"""The signing keys in use: which signs now, and which verify.

A key signs from its ``active`` instant until it is retired, and its tokens stay good until it
is removed, so a rotation overlaps. Another process may rotate: the ring is read again when a
token names a key that it does not hold, and once a minute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.core.clock import SECOND, Clock
from app.fhir import json
from app.repositories.accounts_keys import SigningKeys, StoredKey
from app.security import jose
from app.security.keys import new_es384_key
from app.security.ports import Units
from app.security.root_key import RootKey, Sealed

_PURPOSE: Final = "signing-key"
_STALE: Final = 60 * SECOND
_OWN_KID = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class _Entry:
    stored: StoredKey
    public_jwk: Mapping[str, Any]
    public: jose.PublicKey
    pair: jose.KeyPair | None


class KeyRing:
    """Signs with the newest active key and verifies with every key that is not removed."""

    def __init__(self, units: Units, *, root: RootKey, clock: Clock) -> None:
        self._units = units
        self._root = root
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._loaded = 0

    async def signer(self) -> jose.KeyPair:
        """The key that signs now."""
        await self._refresh(older_than=SECOND)
        now = self._clock.now()
        signing = [
            entry.pair
            for entry in self._entries.values()
            if entry.pair
            and entry.stored.active <= now
            and (entry.stored.retired is None or entry.stored.retired > now)
        ]
        if not signing:
            raise LookupError("no signing key is active")
        return signing[-1]

    async def verifier(self, kid: str) -> jose.PublicKey | None:
        """The key that a token names, or None where no such key is in use."""
        if kid not in self._entries and _OWN_KID.fullmatch(kid):
            await self._refresh(older_than=SECOND)
        entry = self._entries.get(kid)
        return entry.public if entry and self._published(entry) else None

    async def jwks(self) -> dict[str, Any]:
        """The public key set (RFC 7517), keys that will sign soon included."""
        await self._refresh(older_than=_STALE)
        return {"keys": [dict(e.public_jwk) for e in self._entries.values() if self._published(e)]}

    def _published(self, entry: _Entry) -> bool:
        return entry.stored.removed is None or entry.stored.removed > self._clock.now()

    async def _refresh(self, *, older_than: int) -> None:
        now = self._clock.now()
        if self._entries and abs(now - self._loaded) < older_than:
            return
        async with self._units.read() as unit:
            stored = await unit.accounts.keys.all()
        self._entries = {key.kid: self._entry(key) for key in stored}
        self._loaded = now

    def _entry(self, stored: StoredKey) -> _Entry:
        known = self._entries.get(stored.kid)
        if known:
            return _Entry(stored, known.public_jwk, known.public, known.pair)
        public_jwk = json.parse_resource(stored.public_jwk.encode())
        sealed = Sealed(stored.sealed, stored.nonce)
        private = json.parse_resource(self._root.open(sealed, purpose=_PURPOSE, about=stored.kid))
        return _Entry(
            stored,
            public_jwk,
            jose.public_key(public_jwk, kid=stored.kid, algorithm="ES384"),
            jose.key_pair(private, kid=stored.kid, algorithm="ES384"),
        )


async def ensure_signing_key(keys: SigningKeys, *, root: RootKey, now: int) -> str:
    """The id of the key that signs now; makes the first one where there is none."""
    usable = _signing(await keys.all(), now)
    return usable[-1].kid if usable else await _add(keys, root=root, now=now, active=now)


async def signing_pair(keys: SigningKeys, *, root: RootKey, now: int) -> jose.KeyPair:
    """The key that signs now, read in the caller's own unit of work."""
    usable = _signing(await keys.all(), now)
    if not usable:
        raise LookupError("no signing key is active")
    newest = usable[-1]
    sealed = Sealed(newest.sealed, newest.nonce)
    private = json.parse_resource(root.open(sealed, purpose=_PURPOSE, about=newest.kid))
    return jose.key_pair(private, kid=newest.kid, algorithm="ES384")


async def known_key(keys: SigningKeys, kid: str) -> jose.PublicKey:
    """A key that signs or ever did: what it signed stays signed. ``LookupError`` for others."""
    for key in await keys.all():
        if key.kid == kid:
            public = json.parse_resource(key.public_jwk.encode())
            return jose.public_key(public, kid=kid, algorithm="ES384")
    raise LookupError("no such key")


async def rotate_signing_key(
    keys: SigningKeys, *, root: RootKey, now: int, publish_for: int, overlap: int
) -> str:
    """Adds a key that signs after ``publish_for`` microseconds, when verifiers have seen it.

    Older keys stop signing then, and verify for ``overlap`` more, at least a token's life.
    """
    active = now + publish_for
    for key in await keys.all():
        if key.retired is None:
            await keys.retire(key.kid, at=active)
        if key.removed is None:
            await keys.remove(key.kid, at=active + overlap)
    return await _add(keys, root=root, now=now, active=active)


async def _add(keys: SigningKeys, *, root: RootKey, now: int, active: int) -> str:
    new = new_es384_key()
    sealed = root.seal(json.dumps(dict(new.private_jwk)), purpose=_PURPOSE, about=new.kid)
    await keys.add(
        StoredKey(
            kid=new.kid,
            algorithm="ES384",
            public_jwk=json.dumps(dict(new.public_jwk)).decode(),
            sealed=sealed.octets,
            nonce=sealed.nonce,
            created=now,
            active=active,
        )
    )
    return new.kid


def _signing(stored: Sequence[StoredKey], now: int) -> list[StoredKey]:
    return [
        key for key in stored if key.active <= now and (key.retired is None or key.retired > now)
    ]
