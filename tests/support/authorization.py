"""An authorization server on a database of its own, with a clock that tests turn."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import insert

import app.db.tables  # noqa: F401 - fills the metadata
from app.core.clock import SECOND
from app.core.config import Settings
from app.core.ids import RandomIds
from app.db.engine import Connection, Database, connect
from app.db.metadata import metadata
from app.db.sqlite import SqliteConnection
from app.db.tables.resources import tenant
from app.pages.routes import ROUTERS
from app.repositories.accounts import Accounts
from app.routers import discovery, oauth
from app.security.jose import KeyPair, encode, key_pair, sign
from app.security.keyring import ensure_signing_key
from app.security.keys import NewKey, new_es384_key
from app.security.notifier import notifier_of
from app.security.oauth import server
from app.security.oauth.registration import NewClient, Registered, register_client
from app.security.ports import Fetched, FetchRefused, SecurityEvent
from app.security.root_key import RootKey
from tests.support.databases import ANYBODY

ORIGIN = "http://127.0.0.1:8000"
TOKEN_URL = f"{ORIGIN}/oauth/token"
FHIR = f"{ORIGIN}/fhir"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TestClock:
    """A clock that stands still until it is turned."""

    __test__ = False

    def __init__(self) -> None:
        self.micros = int(time.time()) * SECOND

    def now(self) -> int:
        return self.micros

    def turn(self, seconds: float) -> None:
        self.micros += int(seconds * SECOND)

    @property
    def seconds(self) -> int:
        return self.micros // SECOND


@dataclass
class Unit:
    accounts: Accounts
    connection: Connection

    async def turn_to(self, tenant: int) -> None:
        await self.connection.turn_to(tenant)


class Units:
    """Units of work over the account tables alone."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Unit]:
        async with self.database.snapshot(ANYBODY) as connection:
            yield Unit(Accounts(connection), connection)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Unit]:
        async with self.database.write(ANYBODY) as connection:
            yield Unit(Accounts(connection), connection)


class Events(list[SecurityEvent]):
    """Keeps security events in memory, so that a test can look at them."""

    async def record(self, event: SecurityEvent, *, unit: Any = None) -> None:
        self.append(event)

    def named(self, name: str) -> Sequence[SecurityEvent]:
        return [event for event in self if event.name == name]


class Web:
    """The documents that a guarded fetch would find, and what was asked for."""

    def __init__(self) -> None:
        self.documents: dict[str, Fetched] = {}
        self.asked: list[str] = []

    async def __call__(self, url: str, *, form: Any = None) -> Fetched:
        self.asked.append(url)
        if url not in self.documents:
            raise FetchRefused("no answer")
        return self.documents[url]


@dataclass
class Door:
    """The server, its parts, and a browserless client to it."""

    settings: Settings
    database: Database
    units: Units
    clock: TestClock
    ids: RandomIds
    root: RootKey
    events: Events
    web: Web
    app: FastAPI
    http: httpx.AsyncClient
    keys: dict[str, NewKey] = field(default_factory=dict)

    @property
    def server(self) -> server.AuthorizationServer:
        return self.app.state.authorization_server

    async def backend(self, scope: str = "system/*.cruds", **fields: Any) -> Registered:
        """Registers a backend client with a fresh key."""
        key = new_es384_key()
        values = {"tenant": 1, "name": "EHR", "kind": "backend", "scope": scope, **fields}
        if "jwks_url" not in values:
            values.setdefault("jwks", {"keys": [dict(key.public_jwk)]})
        registered = await self.register(**values)
        self.keys[registered.client.client_id] = key
        return registered

    async def register(self, **fields: Any) -> Registered:
        async with self.units.write() as unit:
            return await register_client(
                unit.accounts,
                NewClient(**fields),
                ids=self.ids,
                now=self.clock.now(),
                demo=self.settings.env == "demo",
            )

    def assertion(
        self, client_id: str, *, signer: KeyPair | None = None, typ: str = "JWT", **changes: Any
    ) -> str:
        key = self.keys[client_id]
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": TOKEN_URL,
            "exp": self.clock.seconds + 240,
            "jti": encode(self.ids.random(12)),
            **changes,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        pair = signer or key_pair(key.private_jwk, kid=key.kid, algorithm="ES384")
        return sign(claims, pair, typ=typ)

    async def ask(self, client_id: str, **form: Any) -> httpx.Response:
        values = {
            "grant_type": "client_credentials",
            "scope": "system/*.rs",
            "client_assertion_type": ASSERTION_TYPE,
            **form,
        }
        values.setdefault("client_assertion", self.assertion(client_id))
        values = {name: value for name, value in values.items() if value is not None}
        return await self.http.post("/oauth/token", data=values)

    async def token(self, client_id: str, **form: Any) -> str:
        response = await self.ask(client_id, **form)
        assert response.status_code == 200, response.text
        return str(response.json()["access_token"])

    async def principal(self, token: str) -> Any:
        """The caller that a token stands for."""
        async with self.units.read() as unit:
            return await self.server.authenticator.authenticate(
                f"Bearer {token}", unit.accounts.tokens
            )


@asynccontextmanager
async def open_door(
    directory: Path, *, database_url: str = "", fetch: Any = None
) -> AsyncIterator[Door]:
    """A server with two tenants and nothing else, on SQLite unless told otherwise."""
    settings = Settings(env="demo", data_dir=directory, base_url=ORIGIN, database_url=database_url)
    database = await connect(settings.database, pool_size=4, lock_timeout=5, statement_timeout=10)
    try:
        clock, ids = TestClock(), RandomIds()
        async with database.write(ANYBODY) as connection:
            if isinstance(connection, SqliteConnection):
                await _create(connection)
            for number, slug in ((1, "clinic"), (2, "other")):
                row = {
                    "id": number,
                    "slug": slug,
                    "name": slug,
                    "created": clock.now(),
                    "suspended": 0,
                }
                await connection.execute(insert(tenant).values(**row))
        units: Any = Units(database)  # as far as the token endpoint uses one
        root = RootKey.ensure(settings.root_key, ids)
        async with units.write() as unit:
            await ensure_signing_key(unit.accounts.keys, root=root, now=clock.now())
        events, web = Events(), Web()
        application = FastAPI()
        application.include_router(oauth.router)
        application.include_router(discovery.router)
        for router in ROUTERS:
            application.include_router(router)
        application.state.authorization_server = server.build(
            settings,
            units,
            root=root,
            clock=clock,
            ids=ids,
            audit=events,
            fetch=fetch or web,
            notifier=notifier_of(settings),
        )
        transport = httpx.ASGITransport(application, client=("192.0.2.7", 4711))
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
            yield Door(settings, database, units, clock, ids, root, events, web, application, http)
    finally:
        await database.close()


async def _create(connection: SqliteConnection) -> None:
    from sqlalchemy.schema import CreateIndex, CreateTable

    from app.db.sqlite_statements import DIALECT

    for table in metadata.sorted_tables:
        await connection.run(str(CreateTable(table).compile(dialect=DIALECT)))
        for index in table.indexes:
            await connection.run(str(CreateIndex(index).compile(dialect=DIALECT)))


def jwks_text(*keys: NewKey) -> bytes:
    return json.dumps({"keys": [dict(key.public_jwk) for key in keys]}).encode()
