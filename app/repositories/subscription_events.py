"""What happened and is told to Subscriptions.

A write adds its events itself, one for each Subscription that collects them, in the statement
that stores it; where there is none it adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    SmallInteger,
    and_,
    bindparam,
    case,
    delete,
    func,
    null,
    select,
    update,
)

from app.db.engine import Change, Connection, Insert, Statement
from app.db.metadata import Micros, Str
from app.db.tables.subscriptions import subscription, subscription_event
from app.search.values import number

UNMATCHED: Final = 0
WAITING: Final = 1
TOLD: Final = 2


@dataclass(frozen=True, slots=True)
class Announced:
    """A version that is told of under a topic."""

    tenant: int
    topic: str
    oid: int
    kind: int
    id: str
    version: int
    at: int


@dataclass(frozen=True, slots=True)
class Event:
    """An announcement to one Subscription; ``number`` is its own once it is told."""

    tenant: int
    subscription: str
    oid: int
    kind: int
    id: str
    version: int
    at: int
    state: int
    number: int | None


def _concerned(given: Mapping[str, ColumnElement[Any]]) -> Select[*tuple[Any, ...]]:
    return select(
        given["tenant"],
        subscription.c.id,
        *(given[name] for name in ("oid", "kind", "id", "version", "at")),
        number(WAITING) - subscription.c.filtered,
        null(),
    ).where(
        subscription.c.tenant == given["tenant"],
        subscription.c.topic == given["topic"],
        subscription.c.collects == number(1),
    )


_ANNOUNCE = Insert(
    subscription_event,
    {
        "tenant": Integer(),
        "topic": Str,
        "oid": BigInteger(),
        "kind": SmallInteger(),
        "id": Str,
        "version": Integer(),
        "at": BigInteger(),
    },
    _concerned,
)
_event = subscription_event.c
_OWN = (
    _event.tenant == bindparam("this_tenant", type_=Integer()),
    _event.subscription == bindparam("this_id", type_=Str),
)
_EVENT = and_(*_OWN, _event.oid == bindparam("this_oid", type_=BigInteger()))
_UNNUMBERED = case((_event.number.is_(None), 1), else_=0)
_IN_STATE = Statement(
    select(subscription_event)
    .where(*_OWN, _event.state == bindparam("state", type_=Integer()))
    .order_by(_UNNUMBERED, _event.number, _event.at, _event.oid)
    .limit(bindparam("most", type_=Integer()))
)
_BETWEEN = Statement(
    select(subscription_event)
    .where(
        *_OWN,
        _event.number >= bindparam("since", type_=BigInteger()),
        _event.number <= bindparam("until", type_=BigInteger()),
    )
    .order_by(_event.number)
    .limit(bindparam("most", type_=Integer()))
)
_MARK = Statement(
    update(subscription_event)
    .where(_EVENT)
    .values(
        state=bindparam("to_state", type_=Integer()),
        number=bindparam("to_number", type_=BigInteger()),
    )
)
_KEEP = Statement(
    update(subscription_event)
    .where(_EVENT, _event.state == number(UNMATCHED))
    .values(state=number(WAITING))
)
_DROP = Statement(delete(subscription_event).where(_EVENT, _event.state < number(TOLD)))
_DROP_WAITING = Statement(delete(subscription_event).where(*_OWN, _event.number.is_(None)))
_PURGE = Statement(delete(subscription_event).where(_event.at < bindparam("before", type_=Micros)))
_BACKLOG = Statement(
    select(func.count(), func.min(_event.at))
    .select_from(subscription_event)
    .join(
        subscription,
        and_(subscription.c.tenant == _event.tenant, subscription.c.id == _event.subscription),
    )
    .where(
        _event.state < number(TOLD),
        subscription.c.status == "active",
        subscription.c.channel == "rest-hook",
    )
)


class SubscriptionEvents:
    """Events through one connection; a Subscription is meant by its tenant and id."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @staticmethod
    def announced(rows: Sequence[Announced]) -> Change:
        """Events for whoever collects them, with the write that they tell of."""
        return Change(_ANNOUNCE, [asdict(row) for row in rows])

    async def in_state(self, tenant: int, id: str, state: int, *, limit: int) -> Sequence[Event]:
        """The first events in a state: those with a number, then in order of time."""
        key = {"this_tenant": tenant, "this_id": id}
        rows = await self._connection.fetch(_IN_STATE, {**key, "state": state, "most": limit})
        return [Event(*row) for row in rows]

    async def numbered(
        self, tenant: int, id: str, *, since: int, until: int, limit: int
    ) -> Sequence[Event]:
        """Events by their numbers, both ends included."""
        key = {"this_tenant": tenant, "this_id": id}
        bounds = {"since": since, "until": until, "most": limit}
        rows = await self._connection.fetch(_BETWEEN, {**key, **bounds})
        return [Event(*row) for row in rows]

    async def mark(self, events: Sequence[Event]) -> None:
        """Keeps state and number of events."""
        if events:
            await self._connection.execute_many(
                _MARK,
                [{**_event_key(e), "to_state": e.state, "to_number": e.number} for e in events],
            )

    async def keep(self, events: Sequence[Event]) -> None:
        """Lets events wait that were found; who was slow to find them changes nothing."""
        if events:
            await self._connection.execute_many(_KEEP, [_event_key(event) for event in events])

    async def drop(self, events: Sequence[Event]) -> None:
        """Forgets events that were not told."""
        if events:
            await self._connection.execute_many(_DROP, [_event_key(event) for event in events])

    async def drop_waiting(self, tenant: int, id: str) -> None:
        """Forgets what was not told yet."""
        await self._connection.execute(_DROP_WAITING, {"this_tenant": tenant, "this_id": id})

    async def backlog(self) -> tuple[int, int | None]:
        """How many events wait to be delivered, and since when the oldest does."""
        rows = await self._connection.fetch(_BACKLOG)
        return int(rows[0][0]), rows[0][1]

    async def purge(self, *, before: int) -> None:
        """Forgets what happened before then."""
        await self._connection.execute(_PURGE, {"before": before})


def _event_key(event: Event) -> dict[str, object]:
    return {
        "this_tenant": event.tenant,
        "this_id": event.subscription,
        "this_oid": event.oid,
    }
