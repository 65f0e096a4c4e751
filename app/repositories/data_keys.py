"""The keys of owners: made when first needed, destroyed for good."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import bindparam, insert, select, update

from app.core.clock import Clock
from app.db.engine import Connection, Statement
from app.db.metadata import Micros
from app.db.tables.keys import data_key
from app.repositories.codec import DataKey, EnvelopeCodec

_INSERT = Statement(insert(data_key))
_DESTROY = Statement(
    update(data_key)
    .where(
        data_key.c.tenant == bindparam("this_tenant", type_=data_key.c.tenant.type),
        data_key.c.owner == bindparam("this_owner", type_=data_key.c.owner.type),
        data_key.c.destroyed.is_(None),
    )
    .values(wrapped=b"", destroyed=bindparam("at", type_=Micros))
)


class DataKeys:
    """Finds and makes the keys that text is sealed with."""

    def __init__(self, connection: Connection, codec: EnvelopeCodec, clock: Clock) -> None:
        self._connection = connection
        self._codec = codec
        self._clock = clock

    async def of(self, tenant: int, owners: Collection[str]) -> dict[str, DataKey]:
        """The keys of owners (``Patient/x``, ``Group/x``, ``tenant``)."""
        found = await self._find(tenant, owners)
        missing = sorted(set(owners) - found.keys())
        if missing:
            # One unit makes a key; the others wait for it and find it.
            await self._connection.lock(f"data keys of {tenant}")
            found |= await self._find(tenant, missing)
            for owner in missing:
                if owner not in found:
                    found[owner] = await self._make(tenant, owner)
        return found

    async def destroy(self, tenant: int, owner: str) -> None:
        """Makes all that is sealed with an owner's key unreadable, everywhere and for good."""
        await self._connection.execute(
            _DESTROY, {"this_tenant": tenant, "this_owner": owner, "at": self._clock.now()}
        )

    async def _find(self, tenant: int, owners: Collection[str]) -> dict[str, DataKey]:
        rows = await self._connection.fetch(
            select(data_key.c.owner, data_key.c.key_id, data_key.c.wrapped).where(
                data_key.c.tenant == tenant,
                data_key.c.owner.in_(sorted(owners)),
                data_key.c.destroyed.is_(None),
            )
        )
        return {row[0]: DataKey(row[1], bytes(row[2])) for row in rows}

    async def _make(self, tenant: int, owner: str) -> DataKey:
        key = self._codec.new_key(tenant, owner)
        await self._connection.execute(
            _INSERT,
            {
                "tenant": tenant,
                "key_id": key.key_id,
                "owner": owner,
                "wrapped": key.wrapped,
                "created": self._clock.now(),
                "destroyed": None,
            },
        )
        return key
