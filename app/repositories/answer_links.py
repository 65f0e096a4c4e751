"""Links to one form for one person: kept by the hash of their token, used once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Integer, bindparam, delete, insert, select, update

from app.db.engine import Connection, Statement
from app.db.metadata import Blob, Micros, Str
from app.db.tables.resources import tenant
from app.db.tables.work import answer_link


@dataclass(frozen=True, slots=True)
class AnswerLink:
    """A link; ``expires`` and ``used`` in microseconds. ``kiosk``: on a device that many use.

    ``who`` (``Patient/x``) is for whom it speaks; None where a former version made it.
    """

    token_hash: bytes
    tenant: int
    tenant_slug: str
    task: str
    who: str | None
    kiosk: bool
    expires: int
    used: int | None


_HASH = bindparam("this_hash", type_=Blob)
_ADD = Statement(insert(answer_link))
_FIND = Statement(
    select(
        answer_link.c.token_hash,
        answer_link.c.tenant,
        tenant.c.slug,
        answer_link.c.task,
        answer_link.c.who,
        answer_link.c.kiosk,
        answer_link.c.expires,
        answer_link.c.used,
    )
    .join(tenant, tenant.c.id == answer_link.c.tenant)
    .where(answer_link.c.token_hash == _HASH, tenant.c.suspended == 0)
)
_USE = Statement(
    update(answer_link)
    .where(
        answer_link.c.token_hash == _HASH,
        answer_link.c.used.is_(None),
        answer_link.c.expires > bindparam("now", type_=Micros),
    )
    .values(used=bindparam("now", type_=Micros))
)
_WITHDRAW = Statement(
    delete(answer_link).where(
        answer_link.c.tenant == bindparam("this_tenant", type_=Integer()),
        answer_link.c.task == bindparam("this_task", type_=Str),
        answer_link.c.used.is_(None),
    )
)


class AnswerLinks:
    """Links through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(
        self,
        tenant: int,
        task: str,
        *,
        who: str,
        token_hash: bytes,
        kiosk: bool,
        now: int,
        expires: int,
    ) -> None:
        """Keeps a new link to a task's form, in place of those that nobody used.

        ``who`` (``Patient/x``) is for whom it speaks.
        """
        await self.withdraw(tenant, task)
        row = {
            "token_hash": token_hash,
            "tenant": tenant,
            "task": task,
            "who": who,
            "kiosk": int(kiosk),
            "created": now,
            "expires": expires,
            "used": None,
        }
        await self._connection.execute(_ADD, row)

    async def withdraw(self, tenant: int, task: str) -> None:
        """Ends the links to a task that nobody used."""
        await self._connection.execute(_WITHDRAW, {"this_tenant": tenant, "this_task": task})

    async def find(self, token_hash: bytes) -> AnswerLink | None:
        """The link of a token, used or not."""
        rows = await self._connection.fetch(_FIND, {"this_hash": token_hash})
        if not rows:
            return None
        hash_, tenant_id, slug, task, who, kiosk, expires, used = rows[0]
        return AnswerLink(bytes(hash_), tenant_id, slug, task, who, bool(kiosk), expires, used)

    async def use(self, token_hash: bytes, *, now: int) -> bool:
        """Uses a link up; False where somebody did already, or it has expired."""
        return await self._connection.execute(_USE, {"this_hash": token_hash, "now": now}) == 1
