"""The unit of work: the only place that begins and ends a transaction that writes.

Leaving a unit without an error commits it; an error undoes everything. The audit records of
a unit are durable when it ends: a write's commit with the write, a read's in a transaction
of their own before anything is answered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import cached_property

from app.core.clock import Clock
from app.db.engine import Database, EveryTenant, Whose
from app.fhir.audit.record import AuditRecord
from app.repositories.accounts import Accounts
from app.repositories.allocator import Allocator
from app.repositories.answer_links import AnswerLinks
from app.repositories.audit_log import AuditLog
from app.repositories.audit_queries import AuditQueries
from app.repositories.audit_writer import AuditWriter
from app.repositories.binding_tokens import BindingTokens
from app.repositories.cds_feedback import CdsFeedback
from app.repositories.codec import EnvelopeCodec, KeyEncryption
from app.repositories.consents import Consents
from app.repositories.data_keys import DataKeys
from app.repositories.exports import Exports
from app.repositories.histories import Histories
from app.repositories.index import Index
from app.repositories.index_keys import IndexKeys
from app.repositories.installation import SHARED, Installation
from app.repositories.jobs import Jobs
from app.repositories.outbox import Outbox, Written
from app.repositories.releases import Releases
from app.repositories.resources import Resources
from app.repositories.retention import Retention
from app.repositories.sealed_secrets import SealedSecrets
from app.repositories.searches import Searches
from app.repositories.session import Proviso, Session
from app.repositories.subscription_events import Announced, SubscriptionEvents
from app.repositories.subscriptions import Subscriptions
from app.repositories.walks import Walks


class UnitOfWork:
    """One transaction and the repositories that work in it, each made when it is first asked for.

    ``called`` are the reactions that what was written calls for once a patient, ``forms`` the
    questionnaires that were looked for: a transaction stores its own before any answers.
    """

    def __init__(
        self,
        connection: Session,
        numbers: Iterator[int],
        *,
        index_keys: IndexKeys,
        codec: EnvelopeCodec,
        encryption: KeyEncryption,
        clock: Clock,
    ) -> None:
        self.connection = connection
        self._numbers = numbers
        self._index_keys = index_keys
        self._codec = codec
        self._encryption = encryption
        self._clock = clock
        self.written: list[Written] = []
        self.announced: list[Announced] = []
        self.audited: list[AuditRecord] = []
        self.called: set[tuple[str, tuple[str, ...]]] = set()
        self.forms: dict[tuple[int, str, str], object] = {}

    @cached_property
    def consents(self) -> Consents:
        """The rules of Consents and who belongs to whom."""
        return Consents(self.connection, self._index_keys)

    @cached_property
    def keys(self) -> DataKeys:
        """The keys that text is sealed with."""
        return DataKeys(self.connection, self._codec, self._encryption, self._clock)

    @cached_property
    def resources(self) -> Resources:
        """Current versions."""
        return Resources(self.connection, self._codec, self.keys, self.consents, self._index_keys)

    @cached_property
    def histories(self) -> Histories:
        """Past versions."""
        return Histories(self.connection, self._codec, self.keys, self._index_keys)

    @cached_property
    def index(self) -> Index:
        """The search index."""
        return Index(self.connection, self._codec, self.keys, self._index_keys)

    @cached_property
    def searches(self) -> Searches:
        """What searches find."""
        return Searches(self.connection, self._codec, self.keys, self._index_keys)

    @cached_property
    def audit_queries(self) -> AuditQueries:
        """What the log tells."""
        return AuditQueries(self.connection, self._index_keys)

    @cached_property
    def walks(self) -> Walks:
        """All of a type, stretch by stretch."""
        return Walks(self.connection, self._codec, self.keys, self._index_keys)

    @cached_property
    def sealed_secrets(self) -> SealedSecrets:
        """What is sealed under the root key."""
        return SealedSecrets(self.connection)

    @cached_property
    def retention(self) -> Retention:
        """How long records are kept."""
        return Retention(self.connection)

    @cached_property
    def outbox(self) -> Outbox:
        """Reactions that wait."""
        return Outbox(self.connection)

    @cached_property
    def accounts(self) -> Accounts:
        """Clients, people, keys and grants."""
        return Accounts(self.connection)

    @cached_property
    def installation(self) -> Installation:
        """The clinics."""
        return Installation(self.connection)

    @cached_property
    def releases(self) -> Releases:
        """Figures that were published."""
        return Releases(self.connection)

    @cached_property
    def answer_links(self) -> AnswerLinks:
        """Links to forms."""
        return AnswerLinks(self.connection)

    @cached_property
    def exports(self) -> Exports:
        """Bulk exports under way."""
        return Exports(self.connection, self._codec, self.keys)

    @cached_property
    def cds_feedback(self) -> CdsFeedback:
        """What became of cards in record systems."""
        return CdsFeedback(self.connection)

    @cached_property
    def jobs(self) -> Jobs:
        """Long jobs and how far they are."""
        return Jobs(self.connection)

    @cached_property
    def subscriptions(self) -> Subscriptions:
        """Who is told of what."""
        return Subscriptions(self.connection)

    @cached_property
    def events(self) -> SubscriptionEvents:
        """What there is to tell them."""
        return SubscriptionEvents(self.connection)

    @cached_property
    def binding_tokens(self) -> BindingTokens:
        """What binds their sockets."""
        return BindingTokens(self.connection)

    def number(self) -> int:
        """A new row number."""
        return next(self._numbers)

    def call_again(self, written: Written, *, due: int) -> None:
        """Calls for a reaction at its time."""
        self.written.append(replace(written, oid=self.number(), attempts=0, due=due))

    async def lock(self, name: str) -> None:
        """Holds a named lock until the unit ends."""
        await self.connection.lock(name)

    async def turn_to(self, tenant: int) -> None:
        """Sees a tenant's rows from here on, once it is known whose they are."""
        await self.connection.turn_to(tenant)


class UnitsOfWork:
    """Opens units of work on one database."""

    def __init__(
        self,
        database: Database,
        *,
        codec: EnvelopeCodec,
        encryption: KeyEncryption,
        clock: Clock,
    ) -> None:
        self.database = database
        self.audit = AuditWriter(database)
        self._codec = codec
        self._encryption = encryption
        self._clock = clock
        self._index_keys = IndexKeys(codec=codec, encryption=encryption, clock=clock)
        self._allocator = Allocator(database)
        self.accounts = AccountUnits(self)

    @asynccontextmanager
    async def read(
        self, whose: Whose, *, snapshot: bool = True, provisos: Sequence[Proviso] = ()
    ) -> AsyncIterator[UnitOfWork]:
        """A unit that reads a tenant's rows; it ends when its audit records are durable.

        Its statements all see one state, or where that does not matter each the newest.
        """
        if not self._index_keys.is_known:
            await self._know_index_key()
        database = self.database
        opened = database.snapshot(whose) if snapshot else database.read(whose)
        async with Session(database, whose, opened, begun=True, provisos=provisos) as session:
            unit = self._unit(session, iter(()))
            yield unit
            await session.hold()
        await self.audit.write(unit.audited)

    @asynccontextmanager
    async def write(
        self,
        whose: Whose,
        *,
        resources: int = 1,
        late: bool = False,
        provisos: Sequence[Proviso] = (),
    ) -> AsyncIterator[UnitOfWork]:
        """A unit that writes about so many resources of a tenant.

        ``late`` lets it begin its transaction when it first holds or sends something.
        """
        numbers = await self._allocator.reserve(8 + 4 * resources)
        if not self._index_keys.is_known:
            await self._know_index_key()
        database = self.database
        opened = database.read(whose) if late else database.write(whose)
        async with Session(database, whose, opened, begun=not late, provisos=provisos) as session:
            unit = self._unit(session, numbers)
            yield unit
            changes = [*await unit.resources.changes()]
            if unit.written:
                changes.append(Outbox.added(unit.written, now=self._clock.now()))
            if unit.announced:
                changes.append(SubscriptionEvents.announced(unit.announced))
            await session.conclude()
            await AuditLog(session).append(unit.audited, after=changes)

    async def _know_index_key(self) -> None:
        """Has what the index is hashed under at hand, sealed; it is made once, for itself."""
        async with self.database.read(SHARED) as connection:
            if await self._index_keys.read(connection):
                return
        async with self.database.write(SHARED) as connection:
            await self._index_keys.make(connection)
        async with self.database.read(SHARED) as connection:
            await self._index_keys.read(connection)

    def _unit(self, connection: Session, numbers: Iterator[int]) -> UnitOfWork:
        return UnitOfWork(
            connection,
            numbers,
            index_keys=self._index_keys,
            codec=self._codec,
            encryption=self._encryption,
            clock=self._clock,
        )


_ACCOUNTS = EveryTenant("a name, a code, a token come before the tenant that they belong to")


class AccountUnits:
    """Opens units of work about accounts and what they were granted, whose tenant shows then.

    No clinic's records are seen in one until it turns to their tenant.
    """

    def __init__(self, units: UnitsOfWork) -> None:
        self._units = units

    def read(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """A unit that reads."""
        return self._units.read(_ACCOUNTS)

    def write(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """A unit that writes."""
        return self._units.write(_ACCOUNTS)
