"""The keys of owners and tenants: made when first needed, wrapped anew, destroyed for good."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

from sqlalchemy import ARRAY, bindparam, delete, insert, select, update

from app.core.clock import Clock
from app.db.engine import Connection, Statement
from app.db.metadata import Blob, Micros
from app.db.tables.keys import data_key, tenant_key
from app.repositories.codec import (
    DataKey,
    EnvelopeCodec,
    KeyEncryption,
    TenantKeyAbsent,
    Wrapped,
)
from app.search.values import AnyOf, bind, in_clear

T = TypeVar("T")
_TenantKey: TypeAlias = tuple[str, Wrapped]

_FIND = Statement(
    select(data_key.c.owner, data_key.c.key_id, data_key.c.wrapped).where(
        data_key.c.tenant == bindparam("this_tenant", type_=data_key.c.tenant.type),
        AnyOf(data_key.c.owner, bindparam("owners", type_=ARRAY(data_key.c.owner.type))),
        data_key.c.destroyed.is_(None),
    ),
    by_key=True,
)
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
_REWRAP = Statement(
    update(data_key)
    .where(
        data_key.c.tenant == bindparam("this_tenant", type_=data_key.c.tenant.type),
        data_key.c.key_id == bindparam("this_key", type_=data_key.c.key_id.type),
        data_key.c.destroyed.is_(None),
    )
    .values(wrapped=bindparam("new", type_=Blob))
)
_TENANT_KEY_ID = 8


class DataKeys:
    """Finds and makes the keys that text is sealed with."""

    def __init__(
        self,
        connection: Connection,
        codec: EnvelopeCodec,
        encryption: KeyEncryption,
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._codec = codec
        self._encryption = encryption
        self._clock = clock

    async def of(self, tenant: int, owners: Collection[str]) -> dict[str, DataKey]:
        """The keys of owners (``Patient/x``, ``Group/x``, ``tenant``)."""
        found = await self._find(tenant, owners)
        missing = sorted(set(owners) - found.keys())
        if missing:
            # One unit makes a key; the others wait for it and find it.
            await self._lock(tenant)
            found |= await self._find(tenant, missing)
            for owner in missing:
                if owner not in found:
                    found[owner] = await self._make(tenant, owner)
        return found

    async def opening(self, work: Callable[[], T]) -> T:
        """What work with the codec gives, when the tenant's keys that it needs are in memory."""
        try:
            return work()
        except TenantKeyAbsent as absent:
            await self._load(absent.tenant)
            return work()

    async def sealed(self, tenant: int, owner: str) -> Secret | None:
        """A key that seals nothing, but keys hashes, as it is stored."""
        found = await self._find(tenant, [owner])
        return Secret(tenant, owner, found[owner], await self._under(tenant)) if found else None

    async def destroy(self, tenant: int, owner: str) -> int:
        """Makes all that is sealed with an owner's key unreadable, everywhere and for good."""
        return await self._connection.execute(
            _DESTROY, {"this_tenant": tenant, "this_owner": owner, "at": self._clock.now()}
        )

    async def rotate(self, tenant: int) -> int:
        """Gives a tenant a new key and wraps its owners' keys under it; how many.

        The key before stays for what is being read meanwhile, until the next rotation.
        """
        await self._lock(tenant)
        await self._connection.execute(
            delete(tenant_key).where(
                tenant_key.c.tenant == tenant, tenant_key.c.retired.is_not(None)
            )
        )
        await self._connection.execute(
            update(tenant_key)
            .where(tenant_key.c.tenant == tenant)
            .values(retired=self._clock.now())
        )
        new = await self._new_tenant_key(tenant)
        rows = await self._connection.fetch(
            select(data_key.c.key_id, data_key.c.owner, data_key.c.wrapped).where(
                data_key.c.tenant == tenant, data_key.c.destroyed.is_(None)
            )
        )
        for key_id, owner, wrapped in rows:
            octets = await self.opening(
                partial(self._codec.rewrapped, bytes(wrapped), tenant, owner, under=new)
            )
            await self._connection.execute(
                _REWRAP, {"this_tenant": tenant, "this_key": key_id, "new": octets}
            )
        return len(rows)

    async def rewrap(self) -> int:
        """Wraps every tenant's keys under the root key in use; how many were under another."""
        rows = await self._connection.fetch(
            select(
                tenant_key.c.tenant, tenant_key.c.key_id, tenant_key.c.root, tenant_key.c.wrapped
            )
        )
        changed = 0
        for tenant, key_id, root, octets in rows:
            about = _about(tenant, key_id)
            plain = await self._encryption.unwrap(Wrapped(root, bytes(octets)), about=about)
            new = await self._encryption.wrap(plain, about=about)
            if new.root != root:
                await self._connection.execute(
                    update(tenant_key)
                    .where(tenant_key.c.tenant == tenant, tenant_key.c.key_id == key_id)
                    .values(root=new.root, wrapped=new.octets)
                )
                changed += 1
        return changed

    async def roots(self) -> set[str]:
        """The root keys under which there is a tenant's key."""
        return {row[0] for row in await self._connection.fetch(select(tenant_key.c.root))}

    async def _lock(self, tenant: int) -> None:
        await self._connection.lock(f"data keys of {tenant}")

    async def _find(self, tenant: int, owners: Collection[str]) -> dict[str, DataKey]:
        listed = bind([tuple(sorted(owners))], self._connection.dialect, in_clear)["v0"]
        rows = await self._connection.fetch(_FIND, {"this_tenant": tenant, "owners": listed})
        return {row[0]: DataKey(row[1], bytes(row[2])) for row in rows}

    async def _make(self, tenant: int, owner: str) -> DataKey:
        # Under the lock: nobody gives the tenant another key meanwhile.
        key = self._codec.new_key(tenant, owner, under=await self._tenant_key(tenant))
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

    async def _tenant_key(self, tenant: int) -> str:
        """The key of a tenant that wraps new keys, in memory; made where there is none."""
        rows = await self._connection.fetch(
            select(tenant_key.c.key_id).where(
                tenant_key.c.tenant == tenant, tenant_key.c.retired.is_(None)
            )
        )
        if not rows:
            return await self._new_tenant_key(tenant)
        if not self._codec.holds(tenant, rows[0][0]):
            await self._load(tenant)
        return str(rows[0][0])

    async def _new_tenant_key(self, tenant: int) -> str:
        key_id, octets = self._codec.random(_TENANT_KEY_ID).hex(), self._codec.random(32)
        wrapped = await self._encryption.wrap(octets, about=_about(tenant, key_id))
        await self._connection.execute(
            insert(tenant_key),
            {
                "tenant": tenant,
                "key_id": key_id,
                "root": wrapped.root,
                "wrapped": wrapped.octets,
                "created": self._clock.now(),
                "retired": None,
            },
        )
        self._codec.hold(tenant, key_id, octets)
        return key_id

    async def _load(self, tenant: int) -> None:
        await _hold(self._codec, self._encryption, tenant, await self._under(tenant))

    async def _under(self, tenant: int) -> Sequence[_TenantKey]:
        rows = await self._connection.fetch(
            select(tenant_key.c.key_id, tenant_key.c.root, tenant_key.c.wrapped).where(
                tenant_key.c.tenant == tenant
            )
        )
        return [(key_id, Wrapped(root, bytes(octets))) for key_id, root, octets in rows]


@dataclass(frozen=True, slots=True)
class Secret:
    """A key that keys hashes, and the tenant's keys that it may be wrapped under, all wrapped."""

    tenant: int
    owner: str
    key: DataKey
    under: Sequence[_TenantKey]

    async def opened(self, codec: EnvelopeCodec, encryption: KeyEncryption) -> bytes:
        """Its octets, for which no database is asked."""
        await _hold(codec, encryption, self.tenant, self.under)
        return codec.secret(self.key, self.tenant, self.owner)


async def _hold(
    codec: EnvelopeCodec, encryption: KeyEncryption, tenant: int, keys: Sequence[_TenantKey]
) -> None:
    for key_id, wrapped in keys:
        if not codec.holds(tenant, key_id):
            plain = await encryption.unwrap(wrapped, about=_about(tenant, key_id))
            codec.hold(tenant, key_id, plain)


def _about(tenant: int, key_id: str) -> str:
    return f"key {key_id} of tenant {tenant}"
