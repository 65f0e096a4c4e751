"""What became of cards in record systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Integer, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from app.db.engine import Statement
from app.db.metadata import Str
from app.db.tables.work import cds_feedback
from app.repositories.session import Session


@dataclass(frozen=True, slots=True)
class Feedback:
    """What was done about a card: ``outcome`` accepted or overridden, ``reason`` a code.

    ``at`` is when, as the client says, ``received`` when it said so; both in microseconds.
    """

    tenant: int
    card: str
    client_id: str
    at: int
    outcome: str
    reason: str | None
    received: int


_COLUMNS: Final = tuple(column.name for column in cds_feedback.columns)


def _add(insert: Callable[..., Any]) -> Statement:
    return Statement(insert(cds_feedback).on_conflict_do_nothing())


_ADD = {"sqlite": _add(sqlite.insert), "postgresql": _add(postgresql.insert)}
_ABOUT = Statement(
    select(cds_feedback)
    .where(
        cds_feedback.c.tenant == bindparam("this_tenant", type_=Integer()),
        cds_feedback.c.card >= bindparam("first", type_=Str),
        cds_feedback.c.card < bindparam("beyond", type_=Str),
    )
    .order_by(cds_feedback.c.at)
)


class CdsFeedback:
    """Feedback through one connection."""

    def __init__(self, connection: Session) -> None:
        self._connection = connection

    async def add(self, said: Feedback) -> None:
        """Keeps what was said; what is said again is silence."""
        await self._connection.execute(_ADD[self._connection.dialect], asdict(said))

    async def about(self, tenant: int, half: str) -> Sequence[Feedback]:
        """What any client said of a card, by the first half of its uuids, the oldest first."""
        # ``-`` ends the half, and ``.`` is the next character.
        asked = {"this_tenant": tenant, "first": f"{half}-", "beyond": f"{half}."}
        rows = await self._connection.fetch(_ABOUT, asked)
        return [Feedback(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]
