"""The log's own keys: Ed25519, sealed under the root key, the newest one signs.

An old key keeps its place in ``/audit/key``, so what it signed still verifies. The origin is
the log's name for good: it is taken from the base URL once, with the first key.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from app.core.clock import Clock
from app.core.ids import IdSource
from app.domain.transparency import (
    Checkpoint,
    Signature,
    key_hash,
    parse_note,
    signed_note,
    verifier_key,
)
from app.repositories.audit_log import THE_LOG
from app.repositories.audit_stored import StoredLogKey
from app.repositories.audit_tree import AuditTree
from app.repositories.unit_of_work import UnitsOfWork
from app.security.root_key import RootKey, Sealed
from app.services.audit import HOME, AuditTrail

_PURPOSE = "audit-log-key"
_NONCE = 12


class LogKeys:
    """Signs checkpoints and knows whose signature is the log's."""

    def __init__(self, *, root: RootKey, clock: Clock, ids: IdSource, base_url: str) -> None:
        self._root = root
        self._clock = clock
        self._ids = ids
        self._name = f"{urlsplit(base_url).netloc}/audit"

    async def ensure(self, tree: AuditTree) -> StoredLogKey:
        """The key that signs; makes the first one."""
        keys = await tree.keys()
        return keys[-1] if keys else await self._add(tree, self._name)

    async def rotate(self, tree: AuditTree) -> StoredLogKey:
        """Makes a new key under the same origin, which signs from now on."""
        keys = await tree.keys()
        return await self._add(tree, keys[-1].origin if keys else self._name)

    def sign(self, key: StoredLogKey, *, size: int, root: bytes) -> str:
        """The signed note of a checkpoint."""
        checkpoint = Checkpoint(key.origin, size, root)
        sealed = Sealed(key.sealed[_NONCE:], key.sealed[:_NONCE])
        secret = self._root.open(sealed, purpose=_PURPOSE, about=key.id)
        signature = Ed25519PrivateKey.from_private_bytes(secret).sign(checkpoint.text().encode())
        line = Signature(key.origin, bytes.fromhex(key.id), signature)
        return signed_note(checkpoint, [line])

    async def _add(self, tree: AuditTree, origin: str) -> StoredLogKey:
        secret = self._ids.random(32)
        public = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
        id = key_hash(origin, public).hex()
        sealed = self._root.seal(secret, purpose=_PURPOSE, about=id)
        key = StoredLogKey(id, self._clock.now(), origin, public, sealed.nonce + sealed.octets)
        await tree.add_key(key)
        return key


async def rotate_log_key(units: UnitsOfWork, keys: LogKeys, trail: AuditTrail) -> str:
    """Makes a new key, which the log itself records; the id of the key."""
    async with units.write(THE_LOG, resources=0) as unit:
        key = await keys.rotate(AuditTree(unit.connection))
        unit.audited.append(trail.internal("key-rotated", tenant=HOME, name=f"audit log {key.id}"))
    return key.id


def written(keys: list[StoredLogKey]) -> str:
    """The public keys, one C2SP verifier key a line."""
    return "".join(verifier_key(key.origin, key.public) + "\n" for key in keys)


def opened(note: str, keys: list[StoredLogKey]) -> Checkpoint | None:
    """The checkpoint of a note that one of the keys signed, None if none did.

    Raises ``NoteRefused`` for what is no note. Signatures of others are left alone.
    """
    checkpoint, signatures = parse_note(note)
    for key in keys:
        for line in signatures:
            if (line.name, line.key.hex()) != (key.origin, key.id):
                continue
            try:
                public = Ed25519PublicKey.from_public_bytes(key.public)
                public.verify(line.signature, checkpoint.text().encode())
            except InvalidSignature:
                continue
            return checkpoint if checkpoint.origin == key.origin else None
    return None
