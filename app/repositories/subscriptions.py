"""How Subscriptions stand: whose each is, how far it is told, when it is due.

``due`` is also a claim: whoever moves it on from what they saw has the Subscription to themselves
until then, and a client's write breaks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from app.db.engine import Connection, Statement
from app.db.metadata import Micros, Str
from app.db.tables.subscriptions import subscription, subscription_event
from app.repositories.subscription_events import UNMATCHED, WAITING
from app.search.values import number

NEVER: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Standing:
    """How a Subscription stands; the columns of its row. Instants are microseconds."""

    tenant: int
    id: str
    topic: str
    channel: str
    status: str
    collects: int
    filtered: int
    client_id: str
    account_id: str | None
    scope: str
    patient: str | None
    sealed: bytes | None
    nonce: bytes | None
    number: int
    due: int
    failures: int = 0
    failing: int | None = None
    sent: int = 0
    heartbeat: int = 0
    until: int = NEVER


_event = subscription_event.c
_TENANT = bindparam("this_tenant", type_=Integer())
_ID = bindparam("this_id", type_=Str)
_THIS = (subscription.c.tenant == _TENANT, subscription.c.id == _ID)
_SEEN = subscription.c.due == bindparam("seen", type_=Micros)
_NOW = bindparam("now", type_=Micros)
_FIND = Statement(select(subscription).where(*_THIS), by_key=True)
_ADD = Statement(insert(subscription))
_COUNT = Statement(
    select(func.count()).where(subscription.c.tenant == _TENANT, subscription.c.status != "off")
)
_SETTLED = ("status", "collects", "due", "failures", "failing", "sent")
_SETTABLE = tuple(each.name for each in subscription.columns if each.name not in ("tenant", "id"))
_SET = Statement(
    update(subscription)
    .where(*_THIS)
    .values({name: bindparam(f"to_{name}", type_=subscription.c[name].type) for name in _SETTABLE})
)
_CLAIM = Statement(
    update(subscription).where(*_THIS, _SEEN).values(due=bindparam("to_due", type_=Micros))
)
_SETTLE = Statement(
    update(subscription)
    .where(*_THIS, _SEEN)
    .values({name: bindparam(f"to_{name}", type_=subscription.c[name].type) for name in _SETTLED})
)
_COUNT_UP = Statement(
    update(subscription).where(*_THIS).values(number=bindparam("to_number", type_=BigInteger()))
)
_END = [
    Statement(
        delete(subscription_event).where(_event.tenant == _TENANT, _event.subscription == _ID)
    ),
    Statement(delete(subscription).where(*_THIS)),
]


def _has(state: int) -> ColumnElement[bool]:
    return exists(
        select(literal(1)).where(
            _event.tenant == subscription.c.tenant,
            _event.subscription == subscription.c.id,
            _event.state == number(state),
        )
    )


_OVERDUE = and_(
    subscription.c.heartbeat > number(0), subscription.c.sent + subscription.c.heartbeat <= _NOW
)
_DUE = Statement(
    select(subscription)
    .where(
        subscription.c.status != "off",
        or_(
            _has(UNMATCHED),
            and_(
                subscription.c.due <= _NOW,
                or_(
                    subscription.c.until <= _NOW,
                    subscription.c.status == "requested",
                    and_(
                        subscription.c.status == "active",
                        subscription.c.channel == "rest-hook",
                        or_(_has(WAITING), _OVERDUE),
                    ),
                ),
            ),
        ),
    )
    .order_by(subscription.c.due)
    .limit(bindparam("most", type_=Integer()))
)


class Subscriptions:
    """Subscriptions through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, tenant: int, id: str) -> Standing | None:
        """How a Subscription stands."""
        rows = await self._connection.fetch(_FIND, {"this_tenant": tenant, "this_id": id})
        return Standing(*rows[0]) if rows else None

    async def put(self, standing: Standing) -> None:
        """Keeps how a Subscription stands, whatever was before."""
        values = asdict(standing)
        changed = {f"to_{name}": values[name] for name in _SETTABLE}
        if not await self._connection.execute(_SET, {**_key(standing), **changed}):
            await self._connection.execute(_ADD, values)

    async def count(self, tenant: int) -> int:
        """How many of a clinic's are not off."""
        rows = await self._connection.fetch(_COUNT, {"this_tenant": tenant})
        return int(rows[0][0])

    async def end(self, tenant: int, id: str) -> None:
        """Forgets a Subscription and whatever happened for it."""
        for statement in _END:
            await self._connection.execute(statement, {"this_tenant": tenant, "this_id": id})

    async def due(self, now: int, *, limit: int) -> Sequence[Standing]:
        """Those for which there is something to do, those that wait longest first."""
        rows = await self._connection.fetch(_DUE, {"now": now, "most": limit})
        return [Standing(*row) for row in rows]

    async def claim(self, standing: Standing, *, until: int) -> bool:
        """Has a Subscription to oneself until then; False where it is not as it was seen."""
        seen = {"seen": standing.due, "to_due": until}
        return await self._connection.execute(_CLAIM, {**_key(standing), **seen}) == 1

    async def settle(self, standing: Standing, *, claimed: int) -> bool:
        """Keeps how a claimed one stands now; False where a client changed it meanwhile."""
        values = {f"to_{name}": getattr(standing, name) for name in _SETTLED}
        key = {**_key(standing), "seen": claimed}
        return await self._connection.execute(_SETTLE, {**key, **values}) == 1

    async def count_up(self, standing: Standing, last: int) -> None:
        """The number of the last event."""
        await self._connection.execute(_COUNT_UP, {**_key(standing), "to_number": last})


def _key(standing: Standing) -> dict[str, object]:
    return {"this_tenant": standing.tenant, "this_id": standing.id}
