"""The real application in this process: production settings, its own database and clock."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
from fastapi import FastAPI
from jose import jwt

from app.core.clock import SECOND, SystemClock
from app.core.config import Settings
from app.core.ids import IdSource, RandomIds
from app.interactions.capabilities import of_the_software
from app.main import create_app
from app.repositories.installation import Tenant
from app.routers.dependencies import Services
from app.security.keys import NewKey, new_es384_key
from app.security.oauth.registration import NewClient, register_client
from app.security.root_key import RootKey
from app.services.tenants import Tenants
from tests.support.databases import Database, Dialect

ORIGIN = "https://rapport.test"
ADDRESS = "192.0.2.7"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TurnedClock(SystemClock):
    """The machine's clock, turned forward by a test."""

    def __init__(self) -> None:
        self.ahead = 0

    def now(self) -> int:
        return super().now() + self.ahead

    def turn(self, *, seconds: float) -> None:
        """Lets time pass."""
        self.ahead += int(seconds * SECOND)


@dataclass(frozen=True, slots=True)
class Application:
    """A running application and the hands of those who operate it."""

    app: FastAPI
    settings: Settings
    database: Database
    clock: TurnedClock

    @property
    def dialect(self) -> Dialect:
        """The database it runs on."""
        return self.database.dialect

    @property
    def services(self) -> Services:
        """What ``main`` built."""
        services: Services = self.app.state.services
        return services

    def http(self, *, address: str = ADDRESS, **options: Any) -> httpx.AsyncClient:
        """A client to it from an address, over ASGI."""
        transport = httpx.ASGITransport(self.app, client=(address, 4711))
        return httpx.AsyncClient(transport=transport, base_url=ORIGIN, **options)

    async def add_tenant(self, slug: str, name: str = "Clinic") -> Tenant:
        """A new clinic with the shipped instruments."""
        services = self.services
        tenants = Tenants(
            services.units,
            services.engine.records,
            software=of_the_software,
            clock=services.clock,
        )
        return await tenants.add(slug, name)

    async def register(self, tenant: Tenant, **fields: Any) -> Backend:
        """A backend client of a clinic, with a key of its own."""
        key = new_es384_key()
        values: dict[str, Any] = {
            "name": "Record system",
            "kind": "backend",
            "scope": "system/*.cruds",
            "jwks": {"keys": [dict(key.public_jwk)]},
            **fields,
        }
        client = NewClient(tenant=tenant.id, **values)
        services = self.services
        async with services.units.accounts.write() as unit:
            registered = await register_client(
                unit.accounts, client, ids=services.ids, now=services.clock.now(), demo=False
            )
        return Backend(self, registered.client.client_id, values["scope"], key)

    async def settle(self) -> None:
        """Does what the records written so far call for, and what that calls for."""
        while await self.app.state.relay.run_once():
            pass

    async def deliver(self) -> None:
        """Brings subscribers what is due now."""
        while await self.app.state.deliverer.run_once():
            pass


@dataclass(frozen=True, slots=True)
class Backend:
    """A client program that signs in with its key (SMART Backend Services)."""

    application: Application
    client_id: str
    scope: str
    key: NewKey

    def assertion(self, **changes: Any) -> str:
        """A signed statement of who it is, good for four minutes."""
        now = self.application.clock.now() // SECOND
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": f"{ORIGIN}/oauth/token",
            "exp": now + 240,
            "jti": RandomIds().new_id(),
            **changes,
        }
        headers = {"kid": self.key.kid, "typ": "JWT"}
        return str(jwt.encode(claims, dict(self.key.private_jwk), "ES384", headers=headers))

    async def token(self, scope: str | None = None) -> str:
        """An access token."""
        form = {
            "grant_type": "client_credentials",
            "scope": scope or self.scope,
            "client_assertion_type": BEARER,
            "client_assertion": self.assertion(),
        }
        async with self.application.http() as http:
            answer = await http.post("/oauth/token", data=form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def http(self, scope: str | None = None) -> httpx.AsyncClient:
        """A client to the FHIR base, signed in. Close it."""
        headers = {
            "Authorization": f"Bearer {await self.token(scope)}",
            "Content-Type": "application/fhir+json",
        }
        client = self.application.http(headers=headers)
        client.base_url = httpx.URL(f"{ORIGIN}/fhir/")
        return client


@dataclass(frozen=True, slots=True)
class Clinic:
    """A clinic of the test's own, and its record system signed in at the FHIR base."""

    application: Application
    tenant: Tenant
    ehr: Backend
    http: httpx.AsyncClient
    opened: list[httpx.AsyncClient] = field(default_factory=list)

    async def as_client(self, scope: str, **fields: Any) -> httpx.AsyncClient:
        """Another client program of the clinic, signed in."""
        backend = await self.application.register(self.tenant, scope=scope, **fields)
        client = await backend.http()
        self.opened.append(client)
        return client

    async def settle(self) -> None:
        """Does what the records written so far call for."""
        await self.application.settle()


@asynccontextmanager
async def clinic_of(application: Application) -> AsyncIterator[Clinic]:
    """A new clinic in a running application."""
    slug = f"clinic-{RandomIds().new_id()[:8]}"
    tenant = await application.add_tenant(slug)
    ehr = await application.register(tenant, actor=f"Organization/{slug}")
    clinic = Clinic(application, tenant, ehr, await ehr.http())
    try:
        yield clinic
    finally:
        for client in (clinic.http, *clinic.opened):
            await client.aclose()


@asynccontextmanager
async def running(
    database: Database,
    data_dir: Path,
    *,
    clock: TurnedClock | None = None,
    ids: IdSource | None = None,
    env: Literal["demo", "production"] = "production",
    **settings: Any,
) -> AsyncIterator[Application]:
    """The application on a database; its relay works when ``settle`` is called."""
    chosen = Settings(
        env=env,
        data_dir=data_dir,
        database_url=database.url,
        migration_url=database.owner_url,
        base_url=ORIGIN,
        **settings,
    )
    if database.root_key is not None and not chosen.root_key.exists():
        shutil.copy(database.root_key, chosen.root_key)
    RootKey.ensure(chosen.root_key, RandomIds())
    clock = clock or TurnedClock()
    app = create_app(chosen, clock=clock, ids=ids, relay=False)
    async with _lifespan(app):
        yield Application(app, chosen, database, clock)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start-up and shutdown in one task, wherever the fixture's two halves run."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.router.lifespan_context(app):
            started.set()
            await ended.wait()

    task = asyncio.create_task(live())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if task.done():
            task.result()
        yield
    finally:
        waiting.cancel()
        ended.set()
        await task
