"""Registered clients."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from sqlalchemy import Integer, bindparam, insert, select, update

from app.db.engine import Connection, Row, Statement, UniqueViolation
from app.db.metadata import Blob, Str
from app.db.tables.accounts import client
from app.db.tables.resources import tenant


@dataclass(frozen=True, slots=True)
class Client:
    """A client system: what it may ask for and how it proves who it is.

    ``kind`` is public, confidential (a secret or a key), backend (a key, no person) or
    resource-server (a confidential client that introspects any token). ``scope`` is what it is
    registered for; ``actor`` is what a Consent calls it.
    """

    tenant: int
    client_id: str
    name: str
    kind: str
    grants: tuple[str, ...]
    scope: str
    role: str
    created: int
    secret_hash: bytes | None = None
    jwks: str | None = None
    jwks_url: str | None = None
    redirect_uris: tuple[str, ...] = ()
    launch_uri: str | None = None
    actor: str | None = None
    purpose: str = "TREAT"
    clearance: str = "R"
    enabled: bool = True
    generation: int = 1


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant: one clinic."""

    id: int
    slug: str
    name: str
    suspended: bool


_COLUMNS = tuple(column.name for column in client.columns)
_TENANT_COLUMNS = (tenant.c.id, tenant.c.slug, tenant.c.name, tenant.c.suspended)
_THIS = (
    client.c.tenant == bindparam("this_tenant", type_=Integer()),
    client.c.client_id == bindparam("this_id", type_=Str),
)
_INSERT = Statement(insert(client))
_BY_ID = Statement(
    select(client)
    .where(client.c.client_id == bindparam("this_id", type_=Str))
    .order_by(client.c.tenant)
)
_BY_KEYS = Statement(
    select(client)
    .where(client.c.jwks_url == bindparam("this_url", type_=Str))
    .order_by(client.c.tenant, client.c.client_id)
)
_HERE = Statement(select(client).where(*_THIS))
_ALL = Statement(
    select(client)
    .where(client.c.tenant == bindparam("this_tenant", type_=Integer()))
    .order_by(client.c.client_id)
)
_REDIRECT_URIS = Statement(select(client.c.redirect_uris).where(client.c.enabled == 1))
_ENABLE = Statement(
    update(client)
    .where(*_THIS)
    .values(enabled=bindparam("to_enabled", type_=Integer()), generation=client.c.generation + 1)
)
_RIGHTS = Statement(
    update(client)
    .where(*_THIS)
    .values(
        scope=bindparam("to_scope", type_=Str),
        role=bindparam("to_role", type_=Str),
        generation=client.c.generation + 1,
    )
)
_SECRET = Statement(
    update(client)
    .where(*_THIS)
    .values(
        secret_hash=bindparam("to_secret", type_=Blob),
        jwks=bindparam("to_jwks", type_=Str),
        jwks_url=bindparam("to_jwks_url", type_=Str),
        generation=client.c.generation + 1,
    )
)
_TENANT = Statement(
    select(*_TENANT_COLUMNS).where(tenant.c.id == bindparam("this_tenant", type_=Integer()))
)
_TENANT_BY_SLUG = Statement(
    select(*_TENANT_COLUMNS).where(tenant.c.slug == bindparam("this_slug", type_=Str))
)


class Clients:
    """Reads and registers clients. A change of rights makes the tokens given before it void."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, new: Client) -> None:
        """Registers a client; raises ``UniqueViolation`` where the id is taken in any tenant."""
        await self._connection.lock("client_id")
        if await self.registrations(new.client_id):
            raise UniqueViolation
        await self._insert(new)

    async def share(self, which: Client, *, tenant: int) -> None:
        """Registers a client in another tenant too, under the same id and as it is now."""
        await self._connection.lock("client_id")
        await self._insert(replace(which, tenant=tenant))

    async def _insert(self, new: Client) -> None:
        row = asdict(new)
        row["redirect_uris"] = json.dumps(new.redirect_uris)
        row["grants"] = json.dumps(new.grants)
        row["enabled"] = int(new.enabled)
        await self._connection.execute(_INSERT, row)

    async def registrations(self, client_id: str) -> Sequence[Client]:
        """The client with this id in each tenant that has it, by the tenants' numbers."""
        rows = await self._connection.fetch(_BY_ID, {"this_id": client_id})
        return [_client(row) for row in rows]

    async def of_key_set(self, url: str) -> Sequence[Client]:
        """The clients of whatever tenant whose keys are at an address."""
        return [_client(row) for row in await self._connection.fetch(_BY_KEYS, {"this_url": url})]

    async def find(self, client_id: str, *, tenant: int) -> Client | None:
        """The client with this id in a tenant."""
        found = await self._connection.fetch(_HERE, {"this_tenant": tenant, "this_id": client_id})
        return _client(found[0]) if found else None

    async def of_tenant(self, tenant_id: int) -> Sequence[Client]:
        """The tenant's clients, by id."""
        rows = await self._connection.fetch(_ALL, {"this_tenant": tenant_id})
        return [_client(row) for row in rows]

    async def redirect_uris(self) -> Sequence[str]:
        """Every redirect address of an enabled client: where its browser code lives."""
        rows = await self._connection.fetch(_REDIRECT_URIS)
        return [uri for (text,) in rows for uri in json.loads(text)]

    async def set_enabled(self, which: Client, *, enabled: bool) -> None:
        """Opens or closes a client."""
        await self._connection.execute(_ENABLE, {**_key(which), "to_enabled": int(enabled)})

    async def set_rights(self, which: Client, *, scope: str, role: str) -> None:
        """Changes what a client is registered for."""
        await self._connection.execute(_RIGHTS, {**_key(which), "to_scope": scope, "to_role": role})

    async def set_credentials(
        self, which: Client, *, secret_hash: bytes | None, jwks: str | None, jwks_url: str | None
    ) -> None:
        """Replaces how a client proves who it is."""
        await self._connection.execute(
            _SECRET,
            {
                **_key(which),
                "to_secret": secret_hash,
                "to_jwks": jwks,
                "to_jwks_url": jwks_url,
            },
        )

    async def tenant(self, tenant_id: int) -> Tenant | None:
        """The tenant with this number."""
        rows = await self._connection.fetch(_TENANT, {"this_tenant": tenant_id})
        return _tenant(rows[0]) if rows else None

    async def tenant_by_slug(self, slug: str) -> Tenant | None:
        """The tenant with this short name."""
        rows = await self._connection.fetch(_TENANT_BY_SLUG, {"this_slug": slug})
        return _tenant(rows[0]) if rows else None


def _key(which: Client) -> dict[str, object]:
    return {"this_tenant": which.tenant, "this_id": which.client_id}


def _client(row: Row) -> Client:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["redirect_uris"] = tuple(json.loads(values["redirect_uris"]))
    values["grants"] = tuple(json.loads(values["grants"]))
    values["enabled"] = bool(values["enabled"])
    return Client(**values)


def _tenant(row: Row) -> Tenant:
    return Tenant(row[0], row[1], row[2], bool(row[3]))
