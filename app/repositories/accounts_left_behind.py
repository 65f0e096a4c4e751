"""What goes on by itself in the name of a person: Subscriptions, and links to forms of their own.

Whoever had their account or a token of theirs can have left such a thing, and it needs neither.
"""

from __future__ import annotations

from sqlalchemy import Integer, bindparam, delete, exists, select, update

from app.db.engine import Connection, Statement
from app.db.metadata import Micros, Str
from app.db.tables.authorizations import access_grant
from app.db.tables.subscriptions import subscription
from app.db.tables.work import answer_link
from app.repositories.accounts_people import Account

_TENANT = bindparam("this_tenant", type_=Integer())
_AT = bindparam("at", type_=Micros)
# A Subscription ends as one does that has its end in itself.
_END = (
    update(subscription)
    .where(subscription.c.tenant == _TENANT, subscription.c.status != "off")
    .values(until=_AT, due=_AT)
)
_END_OF_GRANT = Statement(
    _END.where(
        exists(
            select(access_grant.c.grant_id).where(
                access_grant.c.tenant == subscription.c.tenant,
                access_grant.c.grant_id == bindparam("this_grant", type_=Str),
                access_grant.c.client_id == subscription.c.client_id,
                access_grant.c.account_id == subscription.c.account_id,
            )
        )
    )
)
_END_OF_PERSON = Statement(
    _END.where(subscription.c.account_id == bindparam("this_account", type_=Str))
)
_WITHDRAW = Statement(
    delete(answer_link).where(
        answer_link.c.tenant == _TENANT,
        answer_link.c.who == bindparam("this_person", type_=Str),
        answer_link.c.used.is_(None),
    )
)


class LeftBehind:
    """What was left behind, through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def end_of_grant(self, tenant: int, grant_id: str, *, at: int) -> None:
        """Ends what the program of a grant is told of in the name of its person."""
        key = {"this_tenant": tenant, "this_grant": grant_id}
        await self._connection.execute(_END_OF_GRANT, {**key, "at": at})

    async def end_of_person(self, which: Account, *, at: int) -> None:
        """Ends what any program is told of in a person's name, and links that speak for them.

        A link that speaks for a client was made by the clinic for them, so it stays.
        """
        key = {"this_tenant": which.tenant}
        await self._connection.execute(
            _END_OF_PERSON, {**key, "this_account": which.account_id, "at": at}
        )
        if which.role != "client" and which.fhir_user is not None:
            await self._connection.execute(_WITHDRAW, {**key, "this_person": which.fhir_user})
