"""Browser sessions, links that work once, and the count of failed sign-ins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Integer, and_, bindparam, case, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.db.engine import Connection, DialectName, Statement
from app.db.metadata import Blob, Micros, Str
from app.db.tables.accounts import account, login_failure
from app.db.tables.authorizations import account_link, browser_session, sign_in_state
from app.db.tables.resources import tenant


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser. ``pending`` is 0, 1 (second factor owed) or 2 (its enrolment owed)."""

    session_hash: bytes
    tenant: int
    account_id: str
    generation: int
    created: int
    last_seen: int
    expires: int
    auth_time: int
    amr: str
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was sent to a person, good once. ``purpose`` is invitation or reset."""

    link_hash: bytes
    tenant: int
    purpose: str
    account_id: str
    created: int
    expires: int


@dataclass(frozen=True, slots=True)
class SignInState:
    """Something begun that an answer from outside must finish: a sign-in elsewhere, a passkey."""

    state_hash: bytes
    tenant: int
    issuer: str
    secrets: str
    destination: str
    expires: int


@dataclass(frozen=True, slots=True)
class Failures:
    """What counts against an account or address."""

    failures: int
    last: int
    blocked_until: int


_SESSION_COLUMNS = tuple(name.name for name in browser_session.columns if name.name != "ended")
_THIS_SESSION = browser_session.c.session_hash == bindparam("this_hash", type_=Blob)
_ADD_SESSION = Statement(insert(browser_session))
_SESSION = Statement(
    select(*(browser_session.c[name] for name in _SESSION_COLUMNS))
    .join(
        account,
        and_(
            account.c.tenant == browser_session.c.tenant,
            account.c.account_id == browser_session.c.account_id,
            account.c.generation == browser_session.c.generation,
            account.c.enabled == 1,
        ),
    )
    .join(tenant, and_(tenant.c.id == browser_session.c.tenant, tenant.c.suspended == 0))
    .where(
        _THIS_SESSION,
        browser_session.c.ended.is_(None),
        browser_session.c.expires > bindparam("now", type_=Micros),
        browser_session.c.last_seen > bindparam("idle_since", type_=Micros),
    )
)
_SEEN = Statement(
    update(browser_session).where(_THIS_SESSION).values(last_seen=bindparam("at", type_=Micros))
)
_END = Statement(
    update(browser_session)
    .where(_THIS_SESSION, browser_session.c.ended.is_(None))
    .values(ended=bindparam("at", type_=Micros))
)
_STANDING = and_(
    browser_session.c.tenant == bindparam("this_tenant", type_=Integer()),
    browser_session.c.account_id == bindparam("this_account", type_=Str),
    browser_session.c.ended.is_(None),
)
_END_ALL = Statement(
    update(browser_session).where(_STANDING).values(ended=bindparam("at", type_=Micros))
)
_OPEN = select(browser_session.c.session_hash).where(_STANDING)
_HOLD: dict[DialectName, Statement] = {
    "sqlite": Statement(_OPEN),  # which has one writer
    "postgresql": Statement(_OPEN.with_for_update(read=True)),
}
_ADD_LINK = Statement(insert(account_link))
_LINK_COLUMNS = tuple(name.name for name in account_link.columns if name.name != "used")
_THIS_LINK = (
    account_link.c.link_hash == bindparam("this_hash", type_=Blob),
    account_link.c.used.is_(None),
    account_link.c.expires > bindparam("now", type_=Micros),
)
_LINK = Statement(select(*(account_link.c[name] for name in _LINK_COLUMNS)).where(*_THIS_LINK))
_USE_LINK = Statement(
    update(account_link).where(*_THIS_LINK).values(used=bindparam("at", type_=Micros))
)
_VOID_LINKS = Statement(
    update(account_link)
    .where(
        account_link.c.tenant == bindparam("this_tenant", type_=Integer()),
        account_link.c.account_id == bindparam("this_account", type_=Str),
        account_link.c.used.is_(None),
    )
    .values(used=bindparam("at", type_=Micros))
)
_ADD_STATE = Statement(insert(sign_in_state))
_STATE_COLUMNS = tuple(name.name for name in sign_in_state.columns if name.name != "used")
_THIS_STATE = sign_in_state.c.state_hash == bindparam("this_hash", type_=Blob)
_STATE = Statement(select(*(sign_in_state.c[name] for name in _STATE_COLUMNS)).where(_THIS_STATE))
_USE_STATE = Statement(
    update(sign_in_state)
    .where(
        _THIS_STATE,
        sign_in_state.c.used.is_(None),
        sign_in_state.c.expires > bindparam("now", type_=Micros),
    )
    .values(used=bindparam("at", type_=Micros))
)
_FAILURES = Statement(
    select(login_failure.c.failures, login_failure.c.last, login_failure.c.blocked_until).where(
        login_failure.c.bucket == bindparam("this_bucket", type_=Str)
    )
)
_FORGET = Statement(
    delete(login_failure).where(login_failure.c.bucket == bindparam("this_bucket", type_=Str))
)
_TAKE_BACK = Statement(
    update(login_failure)
    .where(
        login_failure.c.bucket == bindparam("this_bucket", type_=Str),
        login_failure.c.failures > 0,
    )
    .values(failures=login_failure.c.failures - 1)
)
_BLOCK = Statement(
    update(login_failure)
    .where(login_failure.c.bucket == bindparam("this_bucket", type_=Str))
    .values(blocked_until=bindparam("until", type_=Micros))
)


def _count(upsert: Callable[..., Any]) -> Statement:
    stale = login_failure.c.last < bindparam("fresh_since", type_=Micros)
    return Statement(
        upsert(login_failure)
        .values(
            bucket=bindparam("bucket", type_=Str),
            failures=1,
            last=bindparam("at", type_=Micros),
            blocked_until=0,
        )
        .on_conflict_do_update(
            index_elements=[login_failure.c.bucket],
            set_={
                "failures": case((stale, 1), else_=login_failure.c.failures + 1),
                "last": bindparam("at", type_=Micros),
            },
        )
        .returning(login_failure.c.failures)
    )


_COUNT = {"sqlite": _count(sqlite.insert), "postgresql": _count(postgresql.insert)}
_PURGE = [
    Statement(delete(table).where(table.c.expires < bindparam("before", type_=Micros)))
    for table in (browser_session, account_link, sign_in_state)
]
_PURGE_FAILURES = Statement(
    delete(login_failure).where(login_failure.c.last < bindparam("before", type_=Micros))
)


class Sessions:
    """Sessions, links and limits of people who sign in."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, session: Session) -> None:
        """Opens a session."""
        await self._connection.execute(_ADD_SESSION, {**asdict(session), "ended": None})

    async def find(self, session_hash: bytes, *, now: int, idle_since: int) -> Session | None:
        """The session, where it and its account still stand."""
        rows = await self._connection.fetch(
            _SESSION, {"this_hash": session_hash, "now": now, "idle_since": idle_since}
        )
        return Session(*rows[0]) if rows else None

    async def seen(self, session_hash: bytes, *, at: int) -> None:
        """Notes that a session is in use."""
        await self._connection.execute(_SEEN, {"this_hash": session_hash, "at": at})

    async def end(self, session_hash: bytes, *, at: int) -> None:
        """Ends a session."""
        await self._connection.execute(_END, {"this_hash": session_hash, "at": at})

    async def end_all(self, tenant_id: int, account_id: str, *, at: int) -> None:
        """Ends every session of a person."""
        await self._connection.execute(
            _END_ALL, {"this_tenant": tenant_id, "this_account": account_id, "at": at}
        )

    async def hold(self, tenant_id: int, account_id: str, started_with: str) -> bool:
        """Keeps a person's session (by how its hash starts) from being ended until the unit ends.

        False where it has ended already.
        """
        await self._connection.begin()
        key = {"this_tenant": tenant_id, "this_account": account_id}
        rows = await self._connection.fetch(_HOLD[self._connection.dialect], key)
        return any(bytes(row[0]).hex().startswith(started_with) for row in rows)

    async def add_link(self, link: Link) -> None:
        """Keeps a link; those sent before stop working."""
        await self._connection.execute(
            _VOID_LINKS,
            {"this_tenant": link.tenant, "this_account": link.account_id, "at": link.created},
        )
        await self._connection.execute(_ADD_LINK, {**asdict(link), "used": None})

    async def link(self, link_hash: bytes, *, now: int) -> Link | None:
        """A link that is still good."""
        rows = await self._connection.fetch(_LINK, {"this_hash": link_hash, "now": now})
        return Link(*rows[0]) if rows else None

    async def use_link(self, link_hash: bytes, *, now: int) -> bool:
        """Uses a link up; False where another did so first."""
        used = await self._connection.execute(
            _USE_LINK, {"this_hash": link_hash, "now": now, "at": now}
        )
        return used == 1

    async def add_state(self, state: SignInState) -> None:
        """Keeps what was begun."""
        await self._connection.execute(_ADD_STATE, {**asdict(state), "used": None})

    async def use_state(self, state_hash: bytes, *, now: int) -> SignInState | None:
        """What was begun, once."""
        key = {"this_hash": state_hash}
        if await self._connection.execute(_USE_STATE, {**key, "now": now, "at": now}) != 1:
            return None
        rows = await self._connection.fetch(_STATE, key)
        return SignInState(*rows[0])

    async def failures(self, bucket: str) -> Failures | None:
        """What counts against a bucket."""
        rows = await self._connection.fetch(_FAILURES, {"this_bucket": bucket})
        return Failures(*rows[0]) if rows else None

    async def count(self, bucket: str, *, at: int, fresh_since: int) -> int:
        """Counts one failure more; older ones than ``fresh_since`` no longer count."""
        rows = await self._connection.fetch(
            _COUNT[self._connection.dialect],
            {"bucket": bucket, "at": at, "fresh_since": fresh_since},
        )
        return int(rows[0][0])

    async def block(self, bucket: str, *, until: int) -> None:
        """Refuses attempts on a bucket for a while."""
        await self._connection.execute(_BLOCK, {"this_bucket": bucket, "until": until})

    async def forget(self, bucket: str) -> None:
        """Clears a bucket after a success."""
        await self._connection.execute(_FORGET, {"this_bucket": bucket})

    async def take_back(self, bucket: str) -> None:
        """Uncounts an attempt that was no failure after all."""
        await self._connection.execute(_TAKE_BACK, {"this_bucket": bucket})

    async def purge(self, *, before: int) -> None:
        """Forgets what ended before then."""
        for statement in (*_PURGE, _PURGE_FAILURES):
            await self._connection.execute(statement, {"before": before})
