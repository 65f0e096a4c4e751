"""The secret of the search index, as units of work meet it: opened when something is hashed first.

What it is sealed under is with the key service; so it is read with the first unit, but opened only
for who needs it. With the service down, what touches no confidential data goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from app.core.clock import Clock
from app.core.errors import AppError
from app.db.engine import Connection
from app.repositories.codec import EnvelopeCodec, KeyEncryption
from app.repositories.data_keys import DataKeys, Secret
from app.repositories.installation import SHARED, Installation
from app.search.secrecy import IndexKey

T = TypeVar("T")

_OWNER = "index"


class IndexKeys:
    """What an installation's index is hashed under."""

    def __init__(
        self,
        *,
        codec: EnvelopeCodec,
        encryption: KeyEncryption,
        clock: Clock,
    ) -> None:
        self._codec = codec
        self._encryption = encryption
        self._clock = clock
        self._sealed: Secret | None = None
        self._key: IndexKey = _Absent()

    @property
    def is_known(self) -> bool:
        """Whether the secret, sealed, is in memory."""
        return self._sealed is not None

    async def read(self, connection: Connection) -> bool:
        """Reads the secret as it is stored; False where one should be made."""
        self._sealed = await self._keys(connection).sealed(SHARED, _OWNER)
        if self._sealed is not None:
            return True
        return SHARED not in [each.id for each in await Installation(connection).tenants()]

    async def make(self, connection: Connection) -> None:
        """Makes the secret, unless another process did."""
        await self._keys(connection).of(SHARED, [_OWNER])

    async def hashing(self, work: Callable[[IndexKey], T]) -> T:
        """What work gives that may hash. Raises ``unavailable`` where the secret cannot be had."""
        try:
            return work(self._key)
        except _KeyAbsent:
            return work(await self._opened())

    async def _opened(self) -> IndexKey:
        sealed = self._sealed
        if sealed is None:
            return IndexKey(bytes(32))  # nothing is stored yet that would be hashed
        try:
            self._key = IndexKey(await sealed.opened(self._codec, self._encryption))
        except AppError:
            self._sealed = None  # the next unit reads it again: keys may have been turned over
            raise
        return self._key

    def _keys(self, connection: Connection) -> DataKeys:
        return DataKeys(connection, self._codec, self._encryption, self._clock)


class _KeyAbsent(Exception):
    """The secret is not open yet; ``hashing`` opens it."""


class _Absent(IndexKey):
    """Stands for the secret until it is open."""

    def __init__(self) -> None:
        super().__init__(b"")

    def _digest(self, tenant: int, param: int, text: bytes, size: int) -> bytes:
        raise _KeyAbsent
