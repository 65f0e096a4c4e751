"""Identity providers that a clinic trusts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Integer, bindparam, insert, select, update

from app.db.engine import Connection, Row, Statement
from app.db.metadata import Str
from app.db.tables.accounts import identity_provider


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID Connect issuer, and which of its roles are which of ours.

    ``client_id`` and the sealed secret are what the clinic registered there; ``role_claim``
    names the claim whose value ``role_map`` turns into a role.
    """

    tenant: int
    issuer: str
    name: str
    client_id: str
    sealed: bytes | None
    nonce: bytes | None
    role_claim: str
    role_map: Mapping[str, str]
    enabled: bool
    created: int


_COLUMNS = tuple(column.name for column in identity_provider.columns)
_TENANT = identity_provider.c.tenant == bindparam("this_tenant", type_=Integer())
_THIS = (_TENANT, identity_provider.c.issuer == bindparam("this_issuer", type_=Str))
_INSERT = Statement(insert(identity_provider))
_FIND = Statement(select(identity_provider).where(*_THIS))
_ALL = Statement(select(identity_provider).where(_TENANT).order_by(identity_provider.c.name))
_ENABLE = Statement(
    update(identity_provider).where(*_THIS).values(enabled=bindparam("to_enabled", type_=Integer()))
)


class Providers:
    """Reads and keeps identity providers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, new: Provider) -> None:
        """Trusts an issuer; raises ``UniqueViolation`` where it is trusted already."""
        row = asdict(new) | {"role_map": json.dumps(dict(new.role_map))}
        await self._connection.execute(_INSERT, row | {"enabled": int(new.enabled)})

    async def find(self, tenant: int, issuer: str) -> Provider | None:
        """The issuer, trusted now or not."""
        rows = await self._connection.fetch(_FIND, {"this_tenant": tenant, "this_issuer": issuer})
        return _provider(rows[0]) if rows else None

    async def of_tenant(self, tenant: int) -> Sequence[Provider]:
        """The clinic's issuers, by name."""
        rows = await self._connection.fetch(_ALL, {"this_tenant": tenant})
        return [_provider(row) for row in rows]

    async def set_enabled(self, which: Provider, *, enabled: bool) -> None:
        """Trusts an issuer or no longer."""
        await self._connection.execute(
            _ENABLE,
            {
                "this_tenant": which.tenant,
                "this_issuer": which.issuer,
                "to_enabled": int(enabled),
            },
        )


def _provider(row: Row) -> Provider:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["role_map"] = json.loads(values["role_map"])
    values["enabled"] = bool(values["enabled"])
    return Provider(**values)
