"""The installation's token signing keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import bindparam, insert, select, update

from app.db.engine import Connection, Statement
from app.db.metadata import Micros, Str
from app.db.tables.accounts import signing_key


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A signing key: public as JSON, private sealed. Instants are microseconds.

    It signs from ``active`` until ``retired``, and its tokens are good until ``removed``.
    """

    kid: str
    algorithm: str
    public_jwk: str
    sealed: bytes
    nonce: bytes
    created: int
    active: int
    retired: int | None = None
    removed: int | None = None


_INSERT = Statement(insert(signing_key))
_ALL = Statement(select(signing_key).order_by(signing_key.c.active, signing_key.c.kid))
_THIS = signing_key.c.kid == bindparam("this_kid", type_=Str)
_RETIRE = Statement(
    update(signing_key).where(_THIS).values(retired=bindparam("to_retired", type_=Micros))
)
_REMOVE = Statement(
    update(signing_key).where(_THIS).values(removed=bindparam("to_removed", type_=Micros))
)


class SigningKeys:
    """Reads and turns over the signing keys."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, key: StoredKey) -> None:
        """Adds a key."""
        await self._connection.execute(_INSERT, asdict(key))

    async def all(self) -> Sequence[StoredKey]:
        """Every key there ever was, oldest first."""
        return [StoredKey(*row) for row in await self._connection.fetch(_ALL)]

    async def retire(self, kid: str, *, at: int) -> None:
        """The key signs nothing from then on."""
        await self._connection.execute(_RETIRE, {"this_kid": kid, "to_retired": at})

    async def remove(self, kid: str, *, at: int) -> None:
        """The key's tokens are void from then on."""
        await self._connection.execute(_REMOVE, {"this_kid": kid, "to_removed": at})
