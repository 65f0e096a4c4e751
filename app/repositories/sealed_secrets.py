"""What is sealed under the root key itself, row by row, so that a new root key can seal it.

The audit log's keys are not among it: nobody changes a row of the log, so it gets a new key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Column, Table, select, update

from app.db.engine import Connection
from app.db.tables.accounts import identity_provider, signing_key, totp
from app.db.tables.subscriptions import subscription


class _Place(NamedTuple):
    table: Table
    purpose: str
    about: Column[str]


_PLACES = (
    _Place(signing_key, "signing-key", signing_key.c.kid),
    _Place(totp, "totp", totp.c.account_id),
    _Place(identity_provider, "identity-provider", identity_provider.c.issuer),
    _Place(subscription, "subscription-headers", subscription.c.id),
)

# Octets, nonce, purpose and subject to octets and nonce under the root key in use.
Reseal = Callable[[bytes, bytes, str, str], tuple[bytes, bytes]]


class SealedSecrets:
    """Every such row through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def reseal(self, reseal: Reseal) -> int:
        """Puts each secret in its place again as it is sealed now; how many."""
        return sum([await self._reseal(place, reseal) for place in _PLACES])

    async def _reseal(self, place: _Place, reseal: Reseal) -> int:
        table = place.table
        key = list(table.primary_key.columns)
        rows = await self._connection.fetch(
            select(*key, place.about, table.c.sealed, table.c.nonce).where(
                table.c.sealed.is_not(None)
            )
        )
        for *ids, about, octets, nonce in rows:
            sealed, fresh = reseal(bytes(octets), bytes(nonce), place.purpose, about)
            same = [column == id for column, id in zip(key, ids, strict=True)]
            await self._connection.execute(
                update(table).where(*same).values(sealed=sealed, nonce=fresh)
            )
        return len(rows)
