"""The composition root: builds everything once and mounts it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from fastapi import FastAPI

from app.core.clock import SECOND, Clock, SystemClock
from app.core.config import Settings
from app.core.ids import IdSource, RandomIds
from app.db.engine import Database, connect
from app.interactions.capabilities import of_the_software
from app.interactions.context import Engine
from app.interactions.deliverer import Deliverer
from app.interactions.relay import Relay
from app.interactions.rules import AFTER_COMMIT, OF_THE_PATIENT
from app.interactions.services import assembled
from app.pages import routes as pages
from app.repositories.codec import EnvelopeCodec, KeyEncryption
from app.repositories.unit_of_work import UnitsOfWork
from app.routers import (
    administration,
    audit_log,
    bulk_export,
    capability,
    cds,
    discovery,
    documentation,
    errors,
    fhir,
    health,
    launch,
    metrics,
    oauth,
    sockets,
)
from app.routers.dependencies import Services
from app.routers.errors import STATUS
from app.routers.guard import Guard
from app.routers.origins import RegisteredOrigins
from app.routers.throttle import Throttle
from app.search.cursor import CursorCipher
from app.security import egress
from app.security.hooks import GuardedPost
from app.security.key_service import KeyService
from app.security.keyring import ensure_signing_key
from app.security.notifier import Notifier, notifier_of
from app.security.oauth import server
from app.security.oauth.server import AuthorizationServer
from app.security.root_key import RootKey
from app.services.audit import AuditTrail
from app.services.audit_bucket import Bucket, Credentials
from app.services.audit_copies import Copy, FileCopy, ObjectCopy, WitnessCopy
from app.services.audit_keys import LogKeys
from app.services.audit_refusals import Refusals
from app.services.audit_sequencer import Sequencer
from app.services.audit_watch import AuditWatch
from app.services.export_preparing import Preparing
from app.services.exports import Exports
from app.services.records import Records
from app.services.sink import Sink
from app.services.tenants import Tenants

_EXPOSED = ("Location", "ETag", "Last-Modified", "Content-Location", "X-Request-Id")
_ALLOWED = (
    "Authorization", "Content-Type", "Accept", "Prefer", "If-Match", "If-None-Match",
    "If-None-Exist", "If-Modified-Since", "X-Request-Id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Core:
    """What the program is made of, whether it serves or runs a command."""

    settings: Settings
    clock: Clock
    ids: IdSource
    database: Database
    units: UnitsOfWork
    trail: AuditTrail
    tenants: Tenants
    root: RootKey
    engine: Engine
    notifier: Notifier


@asynccontextmanager
async def opened(
    settings: Settings, *, clock: Clock | None = None, ids: IdSource | None = None
) -> AsyncIterator[Core]:
    """The program on its database; closed on leaving."""
    clock, ids = clock or SystemClock(), ids or RandomIds()
    root = _root_key(settings, ids)
    database = await connect(
        settings.database,
        pool_size=settings.pool_size,
        lock_timeout=settings.lock_timeout_seconds,
        statement_timeout=settings.statement_timeout_seconds,
        replica_url=settings.replica_url,
    )
    core = _core(settings, clock, ids, root, database)
    try:
        yield core
    finally:
        await core.units.audit.close()
        await database.close()


def _root_key(settings: Settings, ids: IdSource) -> RootKey:
    # A new key in place of a lost one would hide that all data is unreadable.
    if settings.env == "demo":
        return RootKey.ensure(settings.root_key, ids)
    return RootKey.load(settings.root_key, ids)


def key_encryption(settings: Settings, root: RootKey) -> KeyEncryption:
    """What wraps tenants' keys: the key service where there is one, else the root key."""
    if settings.key_service_url and settings.key_service_token_file:
        return KeyService(
            settings.key_service_url,
            key=settings.key_service_key,
            token_file=settings.key_service_token_file,
            before=root,
        )
    return root


def _core(
    settings: Settings, clock: Clock, ids: IdSource, root: RootKey, database: Database
) -> Core:
    base = settings.fhir_base
    notifier = notifier_of(settings)
    units = UnitsOfWork(
        database,
        codec=EnvelopeCodec(root.derive, ids.random),
        encryption=key_encryption(settings, root),
        clock=clock,
    )
    trail = AuditTrail(clock=clock, ids=ids, site=base)
    records = Records(clock=clock, reactions=AFTER_COMMIT, base=base, of_the_patient=OF_THE_PATIENT)
    engine = Engine(
        settings=settings,
        clock=clock,
        ids=ids,
        units=units,
        records=records,
        audit=trail,
        cursors=CursorCipher(
            root.derive("cursor"), clock=clock, ids=ids, lifetime=settings.cursor_seconds
        ),
        services=assembled(
            records=records,
            trail=trail,
            clock=clock,
            ids=ids,
            root=root,
            notifier=notifier,
            post=GuardedPost(demo=settings.env == "demo"),
            retry_for=settings.subscription_retry_seconds * SECOND,
            base=base,
        ),
        statuses=STATUS,
    )
    return Core(
        settings=settings,
        clock=clock,
        ids=ids,
        database=database,
        units=units,
        trail=trail,
        tenants=Tenants(units, records, software=of_the_software, clock=clock),
        root=root,
        engine=engine,
        notifier=notifier,
    )


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    ids: IdSource | None = None,
    relay: bool = True,
) -> FastAPI:
    """The application. ``clock`` and ``ids`` stand in for the machine's in tests."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            core = await stack.enter_async_context(opened(settings, clock=clock, ids=ids))
            app.state.services = await _services(core, app)
            app.state.authorization_server = app.state.services.authorization
            holder, reactions = core.ids.new_id(), core.engine.services
            app.state.relay = Relay(core.units, reactions, clock=core.clock, holder=holder)
            app.state.deliverer = Deliverer(core.engine, holder=holder)
            app.state.sequencer = sequencer_of(core)
            app.state.preparing = preparing_of(core)
            for name in ("relay", "preparing", "deliverer", "sequencer") if relay else ():
                await stack.enter_async_context(running(getattr(app.state, name)))
            yield
            await app.state.authorization_server.links.sent()
            await app.state.services.refusals.close()

    app = FastAPI(
        title="Rapport",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # ours are at /metrics
    )
    errors.install(app)
    for each in (health, metrics, discovery, oauth, launch, administration, capability):
        app.include_router(each.router)
    for each in (audit_log, bulk_export, cds, documentation, sockets):
        app.include_router(each.router)
    for router in pages.ROUTERS:
        app.include_router(router)
    app.add_middleware(fhir.FhirApi)
    app.add_middleware(Guard, settings=settings, ids=ids or RandomIds())
    app.add_middleware(
        RegisteredOrigins,
        allow_origins=list(settings.cors_origins),
        allow_origin_regex=r"http://(127\.0\.0\.1|localhost)(:\d+)?"
        if settings.env == "demo"
        else None,
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=list(_ALLOWED),
        expose_headers=list(_EXPOSED),
        max_age=600,
    )
    return app


async def _services(core: Core, app: FastAPI) -> Services:
    settings = core.settings
    async with core.units.accounts.write() as uow:
        await ensure_signing_key(uow.accounts.keys, root=core.root, now=core.clock.now())
    sink = Sink(core.units, core.trail)
    return Services(
        settings=settings,
        clock=core.clock,
        ids=core.ids,
        units=core.units,
        engine=core.engine,
        trail=core.trail,
        sink=sink,
        refusals=Refusals(core.units.audit, core.trail, clock=core.clock),
        root=core.root,
        authorization=authorization_of(core),
        throttle=Throttle(settings.client_rate),
        exports=Exports(core.units, core.trail, clock=core.clock, base=settings.fhir_base),
        wake=lambda: app.state.relay.wake(),  # noqa: PLW0108 - the relay comes later
        prepare=lambda: app.state.preparing.wake(),  # noqa: PLW0108 - nor is this there yet
    )


def authorization_of(core: Core) -> AuthorizationServer:
    """The authorization server, for routes and for commands."""
    return server.build(
        core.settings,
        core.units.accounts,
        root=core.root,
        clock=core.clock,
        ids=core.ids,
        audit=Sink(core.units, core.trail),
        notifier=core.notifier,
        fetch=egress.GuardedFetch(demo=core.settings.env == "demo"),
    )


def log_keys_of(core: Core) -> LogKeys:
    """The audit log's own keys."""
    return LogKeys(root=core.root, clock=core.clock, ids=core.ids, base_url=core.settings.origin)


def sequencer_of(core: Core) -> Sequencer:
    """Who gives audit records their leaves."""
    settings = core.settings
    copies: list[Copy] = [FileCopy(settings.audit_copies)]
    if settings.audit_bucket_url:
        key_file = settings.audit_bucket_key_file
        assert key_file is not None, "RAPPORT_AUDIT_BUCKET_KEY_FILE says who writes to the bucket"
        bucket = Bucket(
            settings.audit_bucket_url,
            credentials=Credentials.load(key_file),
            region=settings.audit_bucket_region,
            clock=core.clock,
        )
        copies.append(ObjectCopy(bucket))
    if settings.audit_witness_url:
        copies.append(WitnessCopy(settings.audit_witness_url))
    return Sequencer(
        core.units,
        keys=log_keys_of(core),
        trail=core.trail,
        clock=core.clock,
        holder=core.ids.new_id(),
        copies=copies,
        watch=AuditWatch(core.units, core.trail, clock=core.clock),
    )


def preparing_of(core: Core) -> Preparing:
    """Who prepares exports."""
    return Preparing(
        core.units,
        core.trail,
        clock=core.clock,
        holder=core.ids.new_id(),
        origin=core.settings.origin,
        file_rows=core.settings.export_file_rows,
    )


class Worker(Protocol):
    """What works beside the requests until it is stopped."""

    async def run(self) -> None:
        """Works until stopped."""
        ...

    def stop(self) -> None:
        """Ends ``run``."""
        ...


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[None]:
    """Lets a worker work meanwhile."""
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await task
