"""Second factors: time-based codes, recovery codes, passkeys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import BigInteger, Integer, bindparam, delete, func, insert, select, update

from app.db.engine import Connection, Statement
from app.db.metadata import Blob, Micros, Str
from app.db.tables.accounts import passkey, recovery_code, totp


@dataclass(frozen=True, slots=True)
class Totp:
    """A sealed TOTP secret, since when it counts, and the last time step that was used."""

    tenant: int
    account_id: str
    sealed: bytes
    nonce: bytes
    confirmed: int
    last_step: int


@dataclass(frozen=True, slots=True)
class Passkey:
    """A WebAuthn credential."""

    tenant: int
    account_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    created: int
    last_used: int | None


_TENANT = bindparam("this_tenant", type_=Integer())
_ACCOUNT = bindparam("this_account", type_=Str)
_OWN_TOTP = (totp.c.tenant == _TENANT, totp.c.account_id == _ACCOUNT)
_OWN_CODES = (recovery_code.c.tenant == _TENANT, recovery_code.c.account_id == _ACCOUNT)
_OWN_KEYS = (passkey.c.tenant == _TENANT, passkey.c.account_id == _ACCOUNT)
_TOTP = Statement(select(totp).where(*_OWN_TOTP))
_ADD_TOTP = Statement(insert(totp))
_DROP_TOTP = Statement(delete(totp).where(*_OWN_TOTP))
# A code is good once: the step only moves forward, in one statement.
_USE_STEP = Statement(
    update(totp)
    .where(*_OWN_TOTP, totp.c.last_step < bindparam("step", type_=BigInteger))
    .values(last_step=bindparam("step", type_=BigInteger))
)
_ADD_CODE = Statement(insert(recovery_code))
_DROP_CODES = Statement(delete(recovery_code).where(*_OWN_CODES))
_USE_CODE = Statement(
    update(recovery_code)
    .where(
        *_OWN_CODES,
        recovery_code.c.code_hash == bindparam("this_hash", type_=Blob),
        recovery_code.c.used.is_(None),
    )
    .values(used=bindparam("at", type_=Micros))
)
_CODES_LEFT = Statement(select(func.count()).where(*_OWN_CODES, recovery_code.c.used.is_(None)))
_KEYS = Statement(select(passkey).where(*_OWN_KEYS).order_by(passkey.c.created))
_ADD_KEY = Statement(insert(passkey))
_USE_KEY = Statement(
    update(passkey)
    .where(*_OWN_KEYS, passkey.c.credential_id == bindparam("this_key", type_=Blob))
    .values(
        sign_count=bindparam("count", type_=BigInteger), last_used=bindparam("at", type_=Micros)
    )
)
_DROP_KEYS = Statement(delete(passkey).where(*_OWN_KEYS))


class Factors:
    """The second factors of people."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def totp(self, tenant: int, account_id: str) -> Totp | None:
        """A person's TOTP secret."""
        rows = await self._connection.fetch(_TOTP, _own(tenant, account_id))
        return Totp(*rows[0]) if rows else None

    async def replace_totp(self, new: Totp) -> None:
        """Puts a secret in place of the one there may be."""
        await self._connection.execute(_DROP_TOTP, _own(new.tenant, new.account_id))
        await self._connection.execute(_ADD_TOTP, asdict(new))

    async def use_step(self, tenant: int, account_id: str, *, step: int) -> bool:
        """Uses up a time step; False where it was used before."""
        params = {**_own(tenant, account_id), "step": step}
        return await self._connection.execute(_USE_STEP, params) == 1

    async def replace_recovery_codes(
        self, tenant: int, account_id: str, hashes: Sequence[bytes]
    ) -> None:
        """Puts new recovery codes in place of all there are."""
        await self._connection.execute(_DROP_CODES, _own(tenant, account_id))
        rows = [
            {"tenant": tenant, "account_id": account_id, "code_hash": code, "used": None}
            for code in hashes
        ]
        await self._connection.execute_many(_ADD_CODE, rows)

    async def use_recovery_code(
        self, tenant: int, account_id: str, *, code_hash: bytes, at: int
    ) -> bool:
        """Uses a recovery code up; False where there is none such."""
        params = {**_own(tenant, account_id), "this_hash": code_hash, "at": at}
        return await self._connection.execute(_USE_CODE, params) == 1

    async def recovery_codes_left(self, tenant: int, account_id: str) -> int:
        """How many recovery codes can still be used."""
        rows = await self._connection.fetch(_CODES_LEFT, _own(tenant, account_id))
        return int(rows[0][0])

    async def passkeys(self, tenant: int, account_id: str) -> Sequence[Passkey]:
        """A person's passkeys, oldest first."""
        rows = await self._connection.fetch(_KEYS, _own(tenant, account_id))
        return [Passkey(*row) for row in rows]

    async def enrolled(self, tenant: int, account_id: str) -> bool:
        """Whether a person has a second factor that counts."""
        if await self.totp(tenant, account_id) is not None:
            return True
        return bool(await self.passkeys(tenant, account_id))

    async def add_passkey(self, new: Passkey) -> None:
        """Keeps a passkey; raises ``UniqueViolation`` where it is known already."""
        await self._connection.execute(_ADD_KEY, asdict(new))

    async def use_passkey(self, which: Passkey, *, sign_count: int, at: int) -> None:
        """Notes that a passkey was used."""
        await self._connection.execute(
            _USE_KEY,
            {
                **_own(which.tenant, which.account_id),
                "this_key": which.credential_id,
                "count": sign_count,
                "at": at,
            },
        )

    async def drop_all(self, tenant: int, account_id: str) -> None:
        """Removes every second factor of a person."""
        for statement in (_DROP_TOTP, _DROP_CODES, _DROP_KEYS):
            await self._connection.execute(statement, _own(tenant, account_id))


def _own(tenant: int, account_id: str) -> dict[str, object]:
    return {"this_tenant": tenant, "this_account": account_id}
