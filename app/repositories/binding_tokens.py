"""Tokens that bind a socket to Subscriptions, once, kept by their hashes."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import bindparam, delete, insert, select, update

from app.db.engine import Connection, Statement
from app.db.metadata import Blob, Micros
from app.db.tables.subscriptions import subscription_token


@dataclass(frozen=True, slots=True)
class BindingToken:
    """What binds a socket, by its hash, to Subscriptions (ids), once."""

    token_hash: bytes
    tenant: int
    subscriptions: tuple[str, ...]
    client_id: str
    account_id: str | None
    scope: str
    patient: str | None
    expires: int


_NOW = bindparam("now", type_=Micros)
_HASH = bindparam("this_hash", type_=Blob)
_ADD_TOKEN = Statement(insert(subscription_token))
_TOKEN = Statement(select(subscription_token).where(subscription_token.c.token_hash == _HASH))
_USE_TOKEN = Statement(
    update(subscription_token)
    .where(
        subscription_token.c.token_hash == _HASH,
        subscription_token.c.used.is_(None),
        subscription_token.c.expires > _NOW,
    )
    .values(used=_NOW)
)
_PURGE_TOKENS = Statement(
    delete(subscription_token).where(
        subscription_token.c.expires < bindparam("before", type_=Micros)
    )
)


class BindingTokens:
    """Binding tokens through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, token: BindingToken) -> None:
        """Keeps a token that is about to be given out."""
        row = asdict(token) | {"subscriptions": "\n".join(token.subscriptions), "used": None}
        await self._connection.execute(_ADD_TOKEN, row)

    async def use(self, token_hash: bytes, *, now: int) -> BindingToken | None:
        """Uses a token up; None where it is unknown, used or over."""
        if not await self._connection.execute(_USE_TOKEN, {"this_hash": token_hash, "now": now}):
            return None
        (row,) = await self._connection.fetch(_TOKEN, {"this_hash": token_hash})
        _, tenant, ids, client, account, scope, patient, expires, _ = row
        return BindingToken(
            token_hash, tenant, tuple(ids.splitlines()), client, account, scope, patient, expires
        )

    async def purge(self, *, before: int) -> None:
        """Forgets tokens that ended before then."""
        await self._connection.execute(_PURGE_TOKENS, {"before": before})
