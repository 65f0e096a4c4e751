"""Grants of people to clients, and the codes and refresh tokens that hang on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Integer, and_, bindparam, delete, insert, or_, select, update

from app.db.engine import Connection, DialectName, Statement
from app.db.metadata import Blob, Micros, Str
from app.db.tables.accounts import account, client
from app.db.tables.authorizations import (
    access_grant,
    authorization_code,
    browser_session,
    issued_token,
    launch_context,
    refresh_token,
)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person let a client do, in which context. Instants are microseconds."""

    tenant: int
    grant_id: str
    client_id: str
    account_id: str
    scope: str
    patient: str | None
    encounter: str | None
    intent: str | None
    session_hash: bytes | None
    client_generation: int
    account_generation: int
    auth_time: int
    amr: str
    nonce: str | None
    created: int
    expires: int


@dataclass(frozen=True, slots=True)
class Given:
    """A grant as its person sees it: to which program, since when, until when at most."""

    grant_id: str
    client_name: str
    created: int
    expires: int


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code, by its hash."""

    code_hash: bytes
    tenant: int
    grant_id: str
    client_id: str
    redirect_uri: str
    challenge: str
    expires: int


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token, by its hash."""

    token_hash: bytes
    tenant: int
    grant_id: str
    expires: int


@dataclass(frozen=True, slots=True)
class Launch:
    """The context in which another system opens a client."""

    launch_hash: bytes
    tenant: int
    client_id: str
    patient: str | None
    encounter: str | None
    intent: str | None
    created: int
    expires: int


_GRANT_COLUMNS = tuple(c.name for c in access_grant.columns if c.name != "revoked")
_CODE_COLUMNS = tuple(c.name for c in authorization_code.columns if c.name != "used")
_REFRESH_COLUMNS = tuple(c.name for c in refresh_token.columns if c.name != "used")
_LAUNCH_COLUMNS = tuple(c.name for c in launch_context.columns if c.name != "used")
_HASH = bindparam("this_hash", type_=Blob)
_AT = bindparam("at", type_=Micros)
_NOW = bindparam("now", type_=Micros)

_ADD_GRANT = Statement(insert(access_grant))
_THIS_GRANT = (
    access_grant.c.tenant == bindparam("this_tenant", type_=Integer()),
    access_grant.c.grant_id == bindparam("this_id", type_=Str),
)
# A grant stands while its account does, and one for a session only while that lasts.
_STANDING = Statement(
    select(*(access_grant.c[name] for name in _GRANT_COLUMNS))
    .join(
        account,
        and_(
            account.c.tenant == access_grant.c.tenant,
            account.c.account_id == access_grant.c.account_id,
            account.c.generation == access_grant.c.account_generation,
            account.c.enabled == 1,
        ),
    )
    .outerjoin(
        browser_session,
        and_(
            browser_session.c.session_hash == access_grant.c.session_hash,
            browser_session.c.ended.is_(None),
            browser_session.c.expires > _NOW,
        ),
    )
    .where(
        *_THIS_GRANT,
        access_grant.c.revoked.is_(None),
        access_grant.c.expires > _NOW,
        or_(access_grant.c.session_hash.is_(None), browser_session.c.session_hash.is_not(None)),
    )
)
_REVOKE = Statement(
    update(access_grant).where(*_THIS_GRANT, access_grant.c.revoked.is_(None)).values(revoked=_AT)
)
_REVOKE_ALL = Statement(
    update(access_grant)
    .where(
        access_grant.c.tenant == bindparam("this_tenant", type_=Integer()),
        access_grant.c.account_id == bindparam("this_account", type_=Str),
        access_grant.c.revoked.is_(None),
    )
    .values(revoked=_AT)
)
_BEHIND = (
    select(access_grant.c.grant_id)
    .join(
        issued_token,
        and_(
            issued_token.c.tenant == access_grant.c.tenant,
            issued_token.c.grant_id == access_grant.c.grant_id,
        ),
    )
    .where(
        issued_token.c.tenant == bindparam("this_tenant", type_=Integer()),
        issued_token.c.token_id == bindparam("this_token", type_=Str),
        access_grant.c.revoked.is_(None),
    )
)
_HOLD: dict[DialectName, Statement] = {
    "sqlite": Statement(_BEHIND),  # which has one writer
    "postgresql": Statement(_BEHIND.with_for_update(read=True, of=access_grant)),
}
_PASS_ON = Statement(
    update(access_grant)
    .where(
        access_grant.c.tenant == bindparam("this_tenant", type_=Integer()),
        access_grant.c.account_id == bindparam("this_account", type_=Str),
        access_grant.c.session_hash == _HASH,
    )
    .values(session_hash=bindparam("next_hash", type_=Blob))
)
_OF_PERSON = Statement(
    select(access_grant.c.grant_id, client.c.name, access_grant.c.created, access_grant.c.expires)
    .join(
        client,
        and_(
            client.c.tenant == access_grant.c.tenant,
            client.c.client_id == access_grant.c.client_id,
        ),
    )
    .where(
        access_grant.c.tenant == bindparam("this_tenant", type_=Integer()),
        access_grant.c.account_id == bindparam("this_account", type_=Str),
        access_grant.c.revoked.is_(None),
        access_grant.c.expires > _NOW,
    )
    .order_by(access_grant.c.created.desc())
    .limit(100)
)
_ADD_CODE = Statement(insert(authorization_code))
_CODE = Statement(
    select(*(authorization_code.c[name] for name in _CODE_COLUMNS)).where(
        authorization_code.c.code_hash == _HASH
    )
)
_USE_CODE = Statement(
    update(authorization_code)
    .where(authorization_code.c.code_hash == _HASH, authorization_code.c.used.is_(None))
    .values(used=_AT)
)
_ADD_REFRESH = Statement(insert(refresh_token))
_REFRESH = Statement(
    select(*(refresh_token.c[name] for name in _REFRESH_COLUMNS)).where(
        refresh_token.c.token_hash == _HASH
    )
)
_UNUSED_REFRESH = Statement(
    select(*(refresh_token.c[name] for name in _REFRESH_COLUMNS)).where(
        refresh_token.c.token_hash == _HASH,
        refresh_token.c.used.is_(None),
        refresh_token.c.expires > _NOW,
    )
)
_USE_REFRESH = Statement(
    update(refresh_token)
    .where(refresh_token.c.token_hash == _HASH, refresh_token.c.used.is_(None))
    .values(used=_AT)
)
_ADD_LAUNCH = Statement(insert(launch_context))
_LAUNCH = Statement(
    select(*(launch_context.c[name] for name in _LAUNCH_COLUMNS)).where(
        launch_context.c.launch_hash == _HASH,
        launch_context.c.used.is_(None),
        launch_context.c.expires > _NOW,
    )
)
_USE_LAUNCH = Statement(
    update(launch_context)
    .where(launch_context.c.launch_hash == _HASH, launch_context.c.used.is_(None))
    .values(used=_AT)
)
_PURGE = [
    Statement(delete(table).where(table.c.expires < bindparam("before", type_=Micros)))
    for table in (authorization_code, refresh_token, launch_context, access_grant)
]


class Grants:
    """Grants, codes, refresh tokens and launch contexts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, grant: Grant) -> None:
        """Keeps a grant."""
        await self._connection.execute(_ADD_GRANT, {**asdict(grant), "revoked": None})

    async def standing(self, tenant: int, grant_id: str, *, now: int) -> Grant | None:
        """The grant, where it, its account and its session still stand."""
        rows = await self._connection.fetch(
            _STANDING, {"this_tenant": tenant, "this_id": grant_id, "now": now}
        )
        return Grant(*rows[0]) if rows else None

    async def revoke(self, tenant: int, grant_id: str, *, at: int) -> bool:
        """Voids a grant with all its tokens; False where it was void already."""
        params = {"this_tenant": tenant, "this_id": grant_id, "at": at}
        return await self._connection.execute(_REVOKE, params) == 1

    async def revoke_all(self, tenant: int, account_id: str, *, at: int) -> None:
        """Voids every grant of a person."""
        await self._connection.execute(
            _REVOKE_ALL, {"this_tenant": tenant, "this_account": account_id, "at": at}
        )

    async def hold(self, tenant: int, token_id: str) -> bool:
        """Keeps the grant behind a token from being voided until the unit ends.

        False where it is void already.
        """
        await self._connection.begin()
        key = {"this_tenant": tenant, "this_token": token_id}
        return bool(await self._connection.fetch(_HOLD[self._connection.dialect], key))

    async def pass_on(
        self, tenant: int, account_id: str, session_hash: bytes, *, to: bytes
    ) -> None:
        """Lets what would end with a session of a person end with the one that follows it."""
        await self._connection.execute(
            _PASS_ON,
            {
                "this_tenant": tenant,
                "this_account": account_id,
                "this_hash": session_hash,
                "next_hash": to,
            },
        )

    async def of_person(self, tenant: int, account_id: str, *, now: int) -> Sequence[Given]:
        """What a person lets clients do now, newest first."""
        rows = await self._connection.fetch(
            _OF_PERSON, {"this_tenant": tenant, "this_account": account_id, "now": now}
        )
        return [Given(*row) for row in rows]

    async def add_code(self, code: Code) -> None:
        """Keeps a code."""
        await self._connection.execute(_ADD_CODE, {**asdict(code), "used": None})

    async def code(self, code_hash: bytes) -> Code | None:
        """A code, used or not."""
        rows = await self._connection.fetch(_CODE, {"this_hash": code_hash})
        return Code(*rows[0]) if rows else None

    async def use_code(self, code_hash: bytes, *, at: int) -> bool:
        """Uses a code up; False where that was done before."""
        return await self._connection.execute(_USE_CODE, {"this_hash": code_hash, "at": at}) == 1

    async def add_refresh(self, token: RefreshToken) -> None:
        """Keeps a refresh token."""
        await self._connection.execute(_ADD_REFRESH, {**asdict(token), "used": None})

    async def refresh(self, token_hash: bytes) -> RefreshToken | None:
        """A refresh token, used or not."""
        rows = await self._connection.fetch(_REFRESH, {"this_hash": token_hash})
        return RefreshToken(*rows[0]) if rows else None

    async def unused_refresh(self, token_hash: bytes, *, now: int) -> RefreshToken | None:
        """A refresh token that is still good by itself."""
        rows = await self._connection.fetch(_UNUSED_REFRESH, {"this_hash": token_hash, "now": now})
        return RefreshToken(*rows[0]) if rows else None

    async def use_refresh(self, token_hash: bytes, *, at: int) -> bool:
        """Uses a refresh token up; False where that was done before."""
        params = {"this_hash": token_hash, "at": at}
        return await self._connection.execute(_USE_REFRESH, params) == 1

    async def add_launch(self, launch: Launch) -> None:
        """Keeps a launch context."""
        await self._connection.execute(_ADD_LAUNCH, {**asdict(launch), "used": None})

    async def launch(self, launch_hash: bytes, *, now: int) -> Launch | None:
        """A launch context that nobody has used yet."""
        rows = await self._connection.fetch(_LAUNCH, {"this_hash": launch_hash, "now": now})
        return Launch(*rows[0]) if rows else None

    async def use_launch(self, launch_hash: bytes, *, at: int) -> bool:
        """Uses a launch context up; False where that was done before."""
        params = {"this_hash": launch_hash, "at": at}
        return await self._connection.execute(_USE_LAUNCH, params) == 1

    async def purge(self, *, before: int) -> None:
        """Forgets what expired before then."""
        for statement in _PURGE:
            await self._connection.execute(statement, {"before": before})
