"""People's accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Integer, bindparam, func, insert, select, update

from app.db.engine import Connection, Row, Statement
from app.db.metadata import Micros, Str
from app.db.tables.accounts import account, external_identity


@dataclass(frozen=True, slots=True)
class Account:
    """A person: how they sign in, what they may do, and which FHIR resource they are.

    ``folded`` is the username as it is compared, unique over the installation; ``generation``
    grows with every change of rights or password, which voids sessions and tokens.
    """

    tenant: int
    account_id: str
    username: str
    folded: str
    name: str
    role: str
    created: int
    fhir_user: str | None = None
    email: str | None = None
    locale: str = "en"
    password_hash: str | None = None
    password_changed: int | None = None
    enabled: bool = True
    generation: int = 1


_COLUMNS = tuple(column.name for column in account.columns)
_THIS = (
    account.c.tenant == bindparam("this_tenant", type_=Integer()),
    account.c.account_id == bindparam("this_id", type_=Str),
)
_INSERT = Statement(insert(account))
_BY_NAME = Statement(select(account).where(account.c.folded == bindparam("this_name", type_=Str)))
_BY_ID = Statement(select(account).where(*_THIS))
_BY_PERSON = Statement(
    select(account).where(
        account.c.tenant == bindparam("this_tenant", type_=Integer()),
        account.c.fhir_user == bindparam("this_person", type_=Str),
    )
)
_ALL = Statement(
    select(account)
    .where(account.c.tenant == bindparam("this_tenant", type_=Integer()))
    .order_by(account.c.folded)
)
_ADMINS = Statement(
    select(func.count()).where(
        account.c.tenant == bindparam("this_tenant", type_=Integer()),
        account.c.role == "admin",
        account.c.enabled == 1,
        account.c.password_hash.is_not(None),
    )
)
_PASSWORD = Statement(
    update(account)
    .where(*_THIS)
    .values(
        password_hash=bindparam("to_hash", type_=Str),
        password_changed=bindparam("at", type_=Micros),
        generation=account.c.generation + 1,
    )
)
_REHASH = Statement(
    update(account).where(*_THIS).values(password_hash=bindparam("to_hash", type_=Str))
)
_ENABLED = Statement(
    update(account)
    .where(*_THIS)
    .values(enabled=bindparam("to_enabled", type_=Integer()), generation=account.c.generation + 1)
)
_ROLE = Statement(
    update(account)
    .where(*_THIS)
    .values(
        role=bindparam("to_role", type_=Str),
        fhir_user=bindparam("to_person", type_=Str),
        generation=account.c.generation + 1,
    )
)
_IDENTITY = Statement(
    select(*account.c)
    .join(
        external_identity,
        (external_identity.c.tenant == account.c.tenant)
        & (external_identity.c.account_id == account.c.account_id),
    )
    .where(
        external_identity.c.tenant == bindparam("this_tenant", type_=Integer()),
        external_identity.c.issuer == bindparam("this_issuer", type_=Str),
        external_identity.c.subject == bindparam("this_subject", type_=Str),
    )
)
_LINK = Statement(insert(external_identity))


class People:
    """Reads and keeps accounts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, new: Account) -> None:
        """Adds an account; raises ``UniqueViolation`` where the username is taken."""
        row = asdict(new) | {"enabled": int(new.enabled)}
        await self._connection.execute(_INSERT, row)

    async def named(self, folded: str) -> Account | None:
        """The account with this folded username, in whatever tenant."""
        return await self._one(_BY_NAME, {"this_name": folded})

    async def find(self, tenant: int, account_id: str) -> Account | None:
        """The account with this id."""
        return await self._one(_BY_ID, {"this_tenant": tenant, "this_id": account_id})

    async def of_person(self, tenant: int, fhir_user: str) -> Account | None:
        """The account of a Practitioner, Patient or other person."""
        return await self._one(_BY_PERSON, {"this_tenant": tenant, "this_person": fhir_user})

    async def of_tenant(self, tenant: int) -> Sequence[Account]:
        """The tenant's accounts, by username."""
        rows = await self._connection.fetch(_ALL, {"this_tenant": tenant})
        return [_account(row) for row in rows]

    async def admins(self, tenant: int) -> int:
        """How many administrators of the tenant can sign in."""
        rows = await self._connection.fetch(_ADMINS, {"this_tenant": tenant})
        return int(rows[0][0])

    async def set_password(self, which: Account, *, password_hash: str, at: int) -> None:
        """Replaces a password; sessions and tokens that were opened with the old one end."""
        await self._connection.execute(
            _PASSWORD, {**_key(which), "to_hash": password_hash, "at": at}
        )

    async def rehash(self, which: Account, *, password_hash: str) -> None:
        """Keeps the same password under newer parameters."""
        await self._connection.execute(_REHASH, {**_key(which), "to_hash": password_hash})

    async def set_enabled(self, which: Account, *, enabled: bool) -> None:
        """Opens or closes an account."""
        await self._connection.execute(_ENABLED, {**_key(which), "to_enabled": int(enabled)})

    async def set_role(self, which: Account, *, role: str, fhir_user: str | None) -> None:
        """Changes what a person may do."""
        await self._connection.execute(
            _ROLE, {**_key(which), "to_role": role, "to_person": fhir_user}
        )

    async def identified(self, tenant: int, issuer: str, subject: str) -> Account | None:
        """The account of somebody whom another identity provider knows."""
        return await self._one(
            _IDENTITY,
            {"this_tenant": tenant, "this_issuer": issuer, "this_subject": subject},
        )

    async def link(self, which: Account, *, issuer: str, subject: str, at: int) -> None:
        """Ties an account to an identity of another provider."""
        await self._connection.execute(
            _LINK,
            {
                "tenant": which.tenant,
                "issuer": issuer,
                "subject": subject,
                "account_id": which.account_id,
                "created": at,
            },
        )

    async def _one(self, statement: Statement, params: dict[str, Any]) -> Account | None:
        rows = await self._connection.fetch(statement, params)
        return _account(rows[0]) if rows else None


def _key(which: Account) -> dict[str, Any]:
    return {"this_tenant": which.tenant, "this_id": which.account_id}


def _account(row: Row) -> Account:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Account(**(values | {"enabled": bool(values["enabled"])}))
