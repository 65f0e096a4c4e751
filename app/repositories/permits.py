"""Which Consents opened the rows of a page to a caller, for the audit log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from app.db.engine import Connection, Statement
from app.search.asker import Asker
from app.search.consents import opened
from app.search.expression import Shaper, Value
from app.search.values import bind, in_clear


@dataclass(frozen=True, slots=True)
class Permit:
    """The rule of a Consent that permits: ``path`` is that of its provision."""

    consent: str
    version: int
    path: str


async def permits(
    connection: Connection, rids: Sequence[int], asker: Asker, *, tenant: int
) -> Mapping[str, Permit | None]:
    """By patient (an id), what permits the caller rows about them; None: an emergency.

    Where several rules do, the most specific one is told.
    """
    shaper = Shaper()
    shaped = asker.shaped(shaper)
    which, owner = shaper.slot(tuple(rids)), shaper.slot(tenant)
    statement = _statement(shaped, which, owner)
    rows = await connection.fetch(statement, bind(shaper.values, connection.dialect, in_clear))
    found: dict[str, Permit | None] = {}
    for patient, consent, version, path, _ in sorted(rows, key=lambda row: row[4]):
        found[patient] = Permit(consent, version, path) if consent else None
    return found


@lru_cache(maxsize=256)
def _statement(asker: Asker, rids: Value, tenant: Value) -> Statement:
    return Statement(opened(asker, rids=rids, tenant=tenant))
