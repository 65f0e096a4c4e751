"""What is asked of the log beyond the parameters of FHIR: purpose, basis, break-glass.

Every question is about one tenant, and only for whoever sees all of its records, or all but
those that its ``Visible`` bars.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, func, or_, select, text, tuple_

from app.core.errors import AppError, Category
from app.db.engine import Connection, Database
from app.db.tables.audit import BREAK_GLASS, audit_event
from app.fhir.audit.record import AuditRecord
from app.fhir.registry import REGISTRY, by_code
from app.repositories.asking import bound
from app.repositories.index_keys import IndexKeys
from app.search.compiler import Compiler
from app.search.expression import Shaper, Value
from app.search.folding import fold, prefix_range
from app.search.sources import Rows
from app.search.sources.audit_rows import COLUMNS, record_of
from app.search.visibility import Alternative, Visible

_EVENT = REGISTRY["AuditEvent"].code
_CHUNK = 1000

Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Question:
    """Which records: those that meet every condition that is given.

    ``user`` is the beginning of a name or an actor's reference, ``client`` a client id,
    ``entity`` a reference, ``since`` and ``until`` microseconds (until exclusive); ``failed``
    tells successes from the rest.
    """

    patient: str | None = None
    user: str | None = None
    client: str | None = None
    purpose: str | None = None
    entity: str | None = None
    events: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    failed: bool | None = None
    break_glass: bool = False
    bases: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    not_by_patient: bool = False


class AuditQueries:
    """Asks through one connection; without ``index_keys`` its search index is in clear."""

    def __init__(self, connection: Connection, index_keys: IndexKeys | None = None) -> None:
        self._connection = connection
        self._index_keys = index_keys

    async def page(
        self, question: Question, *, visible: Visible, limit: int, after: Key | None = None
    ) -> list[AuditRecord]:
        """The newest records that answer, older than the key ``after``."""
        key = (audit_event.c.recorded, audit_event.c.aid)
        statement = (
            select(*(audit_event.c[name] for name in COLUMNS))
            .where(*_conditions(question, visible))
            .order_by(*(column.desc() for column in key))
            .limit(limit)
        )
        if after is not None:
            statement = statement.where(tuple_(*key) < tuple_(*after))
        seen, values = _seen(visible)
        params = await bound(self._connection, values, visible.tenant, self._index_keys)
        rows = await self._connection.fetch(statement.where(seen), params)
        return [record_of(row) for row in rows]

    async def one(self, key: Key, *, visible: Visible) -> AuditRecord | None:
        """The record of a key, None where the tenant has none."""
        recorded, aid = key
        statement = select(*(audit_event.c[name] for name in COLUMNS)).where(
            *_conditions(Question(), visible),
            audit_event.c.recorded == recorded,
            audit_event.c.aid == aid,
        )
        rows = await self._connection.fetch(statement)
        return record_of(rows[0]) if rows else None

    async def readers(
        self, *, since: int, least: int, visible: Visible
    ) -> Sequence[tuple[str, int]]:
        """People who read of so many patients or more since then, and of how many."""
        patients = func.count(audit_event.c.patient.distinct())
        who = (audit_event.c.actor_kind, audit_event.c.actor_id)
        statement = (
            select(*who, patients)
            .where(
                *_conditions(Question(since=since, failed=False), visible),
                audit_event.c.patient.is_not(None),
                audit_event.c.actor_id.is_not(None),
                audit_event.c.name.is_not(None),
            )
            .group_by(*who)
            .having(patients >= least)
        )
        return [
            (f"{by_code(kind).name}/{id}" if kind else str(id), int(count))
            for kind, id, count in await self._connection.fetch(statement)
        ]


async def every(
    database: Database, question: Question, *, visible: Visible
) -> AsyncIterator[list[AuditRecord]]:
    """All records that answer, newest first, in pieces; a connection is held for a piece."""
    after: Key | None = None
    while True:
        async with database.read(visible.tenant) as connection:
            found = await AuditQueries(connection).page(
                question, visible=visible, limit=_CHUNK, after=after
            )
        if found:
            yield found
        if len(found) < _CHUNK:
            return
        after = (found[-1].recorded, found[-1].aid)


def _seen(visible: Visible) -> tuple[ColumnElement[bool], list[Value]]:
    """Which records are not withheld, with the values of its slots."""
    shaper = Shaper()
    compiler = Compiler(visible.sight((_EVENT,), shaper))
    return compiler.seen(Rows(audit_event, (_EVENT,)), _EVENT), shaper.values


def _conditions(question: Question, visible: Visible) -> list[ColumnElement[bool]]:
    if Alternative() not in visible.grants.get(_EVENT, ()):
        raise AppError.of(Category.FORBIDDEN, "forbidden", "this is for auditors")
    return [audit_event.c.tenant == visible.tenant, *_equal(question), *_within(question)]


def _equal(question: Question) -> Iterator[ColumnElement[bool]]:
    columns = audit_event.c
    for name in ("patient", "client", "purpose"):
        value = getattr(question, name)
        if value is not None:
            yield columns[name] == value
    for name, values in (
        ("event", question.events),
        ("basis", question.bases),
        ("role", question.roles),
    ):
        if values:
            yield or_(*(columns[name] == value for value in values))
    if question.user is not None:
        yield _user(question.user)
    if question.entity is not None:
        yield _reference("entity", question.entity)


def _within(question: Question) -> Iterator[ColumnElement[bool]]:
    columns = audit_event.c
    if question.since is not None:
        yield columns.recorded >= question.since
    if question.until is not None:
        yield columns.recorded < question.until
    if question.failed is not None:
        yield columns.outcome != "0" if question.failed else columns.outcome == "0"
    if question.break_glass:
        # In brackets, so that its alternatives set nothing aside, least of all the tenant.
        yield cast("ColumnElement[bool]", text(f"({BREAK_GLASS})"))
    if question.not_by_patient and question.patient is not None:
        own = _reference("actor", f"Patient/{question.patient}")
        yield or_(columns.actor_id.is_(None), ~own)


def _user(asked: str) -> ColumnElement[bool]:
    if "/" in asked:
        return _reference("actor", asked)
    low, high = prefix_range(fold(asked))
    named = and_(audit_event.c.folded >= low, audit_event.c.folded < high)
    return or_(and_(audit_event.c.folded.is_not(None), named), audit_event.c.subject == asked)


def _reference(name: str, reference: str) -> ColumnElement[bool]:
    type, _, id = reference.partition("/")
    kind = REGISTRY[type].code if type in REGISTRY else 0
    columns: Any = audit_event.c
    return and_(
        columns[f"{name}_kind"] == kind, columns[f"{name}_id"] == (id if kind else reference)
    )
