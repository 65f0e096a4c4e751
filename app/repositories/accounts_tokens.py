"""Issued access tokens and spent client assertions."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Integer, and_, bindparam, delete, insert, or_, select, update

from app.db.engine import Connection, Query, Statement
from app.db.metadata import Micros, Str
from app.db.tables.accounts import account, assertion_jti, client, signing_key
from app.db.tables.authorizations import access_grant, issued_token
from app.db.tables.resources import tenant


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An access token that was given out; ``grant_id`` is the person's grant behind it."""

    tenant: int
    token_id: str
    client_id: str
    grant_id: str | None
    kid: str
    client_generation: int
    expires: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands behind a token now: its client as it is, and its person where there is one."""

    tenant_slug: str
    client_id: str
    client_name: str
    client_kind: str
    client_role: str
    client_actor: str | None
    purpose: str
    clearance: str
    account_id: str | None
    account_name: str | None
    account_role: str | None
    fhir_user: str | None
    patient: str | None
    auth_time: int | None
    amr: str | None


_INSERT = Statement(insert(issued_token))
_SPEND = Statement(insert(assertion_jti))
# One row only where nothing was revoked, disabled or changed since the token was given.
_STANDING = Statement(
    select(
        tenant.c.slug,
        client.c.client_id,
        client.c.name,
        client.c.kind,
        client.c.role,
        client.c.actor,
        client.c.purpose,
        client.c.clearance,
        account.c.account_id,
        account.c.name,
        account.c.role,
        account.c.fhir_user,
        access_grant.c.patient,
        access_grant.c.auth_time,
        access_grant.c.amr,
    )
    .select_from(issued_token)
    .join(tenant, tenant.c.id == issued_token.c.tenant)
    .join(
        client,
        and_(
            client.c.tenant == issued_token.c.tenant,
            client.c.client_id == issued_token.c.client_id,
            client.c.generation == issued_token.c.client_generation,
            client.c.enabled == 1,
        ),
    )
    .join(signing_key, signing_key.c.kid == issued_token.c.kid)
    .outerjoin(
        access_grant,
        and_(
            access_grant.c.tenant == issued_token.c.tenant,
            access_grant.c.grant_id == issued_token.c.grant_id,
            access_grant.c.revoked.is_(None),
        ),
    )
    .outerjoin(
        account,
        and_(
            account.c.tenant == access_grant.c.tenant,
            account.c.account_id == access_grant.c.account_id,
            account.c.generation == access_grant.c.account_generation,
            account.c.enabled == 1,
        ),
    )
    .where(
        issued_token.c.tenant == bindparam("this_tenant", type_=Integer()),
        issued_token.c.token_id == bindparam("this_token", type_=Str),
        issued_token.c.revoked.is_(None),
        tenant.c.suspended == 0,
        or_(
            signing_key.c.removed.is_(None), signing_key.c.removed > bindparam("now", type_=Micros)
        ),
        or_(issued_token.c.grant_id.is_(None), account.c.account_id.is_not(None)),
    ),
    by_key=True,
)
_THIS = (
    issued_token.c.tenant == bindparam("this_tenant", type_=Integer()),
    issued_token.c.token_id == bindparam("this_token", type_=Str),
)
_REVOKE = Statement(
    update(issued_token)
    .where(*_THIS, issued_token.c.revoked.is_(None))
    .values(revoked=bindparam("at", type_=Micros))
)
_PURGE = [
    Statement(delete(table).where(table.c.expires < bindparam("before", type_=Micros)))
    for table in (issued_token, assertion_jti)
]


def standing_query(tenant_id: int, token_id: str, *, now: int) -> Query:
    """What finds the values of a token's ``Standing``, or nothing where it is void."""
    return Query(_STANDING, {"this_tenant": tenant_id, "this_token": token_id, "now": now})


class Tokens:
    """Access tokens: given, standing, revoked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, token: IssuedToken) -> None:
        """Records a token that is about to be given out."""
        await self._connection.execute(_INSERT, {**asdict(token), "revoked": None})

    async def spend_assertion(
        self, *, tenant: int, client_id: str, jti_hash: bytes, expires: int
    ) -> None:
        """Uses an assertion up; raises ``UniqueViolation`` where it was used before."""
        await self._connection.execute(
            _SPEND,
            {
                "tenant": tenant,
                "client_id": client_id,
                "jti_hash": jti_hash,
                "expires": expires,
            },
        )

    async def standing(self, tenant_id: int, token_id: str, *, now: int) -> Standing | None:
        """What stands behind a token, or None where it is void; its expiry is in its claims."""
        rows = await self._connection.fetch(*standing_query(tenant_id, token_id, now=now))
        return Standing(*rows[0]) if rows else None

    async def revoke(self, tenant_id: int, token_id: str, *, at: int) -> None:
        """Makes a token void."""
        await self._connection.execute(
            _REVOKE, {"this_tenant": tenant_id, "this_token": token_id, "at": at}
        )

    async def purge(self, *, before: int) -> None:
        """Forgets tokens and assertions that expired before then."""
        for statement in _PURGE:
            await self._connection.execute(statement, {"before": before})
