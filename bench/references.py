"""What a request costs without Rapport: the same server, the same driver, the same database.

``/trivial`` answers an empty object; ``/raw/{id}`` is one driver call that returns a stored
text as it is; ``POST /insert`` stores the body and one audit row in one transaction. None
knows of tokens, roles, validation, index rows or reactions. The tables are Rapport's own, so
the same keys, indexes and triggers hold.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.core.config import Settings
from app.db.row_security import seeing
from app.db.sqlite import SqliteConnection
from app.db.tables.audit import audit_event
from app.db.tables.resources import resource
from app.fhir.audit.record import AuditRecord
from app.fhir.registry import REGISTRY
from app.search.sources.audit_rows import row_of

TENANT = int(os.environ.get("BENCH_TENANT", "1"))
_KIND = REGISTRY["QuestionnaireResponse"].code
_JSON = "application/fhir+json"
_SELECT = "SELECT body FROM resource WHERE tenant = {} AND kind = {} AND id = {}"


def _insert(table: Any, mark: str) -> str:
    names = [column.name for column in table.columns]
    marks = ", ".join(mark.format(n + 1) for n in range(len(names)))
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"


def _rows(body: bytes) -> tuple[list[Any], list[Any]]:
    """The values of a resource row and of an audit row, in the order of their columns."""
    now = time.time_ns() // 1000
    id, rid = str(uuid.uuid4()), int.from_bytes(secrets.token_bytes(7), "big")
    version = {
        "tenant": TENANT, "kind": _KIND, "id": id, "rid": rid, "version": 1, "updated": now,
        "deleted": 0, "interaction": 1, "body": body, "cipher": 0, "key_id": None, "nonce": None,
        "key_owner": "Patient/p1", "confidentiality": 4, "sensitivity": 0,
        "data_class": "https://bench.example.org/Questionnaire/reference",
    }  # fmt: skip
    audit = {**_AUDIT, "recorded": now, "aid": rid, "entity_id": id}
    return (
        [version[column.name] for column in resource.columns],
        [audit[column.name] for column in audit_event.columns],
    )


_AUDIT = row_of(
    AuditRecord(
        tenant=TENANT, recorded=0, aid=0, salt=bytes(16), site="http://127.0.0.1:8000/fhir",
        event="create", actor="Organization/bench", subject="bench", role="system",
        client="bench", client_name="Benchmark", token=str(uuid.uuid4()), address="127.0.0.1",
        purpose="TREAT", entity=f"QuestionnaireResponse/{uuid.uuid4()}", entity_version=1,
        patient="p1", request=str(uuid.uuid4()),
    )
)  # fmt: skip


class Store(Protocol):
    """One driver, used as plainly as it can be."""

    async def fetch(self, id: str) -> bytes | None:
        """A stored text."""
        ...

    async def insert(self, body: bytes) -> None:
        """Stores a text and an audit row, durably."""
        ...


class Postgresql:
    """asyncpg's pool, without the round trip that resets a session after each use."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._select = _SELECT.format("$1", "$2", "$3")
        self._inserts = _insert(resource, "${}"), _insert(audit_event, "${}")

    async def fetch(self, id: str) -> bytes | None:
        """One round trip."""
        found: bytes | None = await self._pool.fetchval(self._select, TENANT, _KIND, id)
        return found

    async def insert(self, body: bytes) -> None:
        """BEGIN, two inserts, COMMIT."""
        version, audit = _rows(body)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(self._inserts[0], *version)
            await connection.execute(self._inserts[1], *audit)


class Sqlite:
    """Two connections in threads of their own, WAL with full durability."""

    def __init__(self, reader: SqliteConnection, writer: SqliteConnection) -> None:
        self._reader, self._writer = reader, writer
        self._select = _SELECT.format("?", "?", "?")
        self._inserts = _insert(resource, "?"), _insert(audit_event, "?")

    async def fetch(self, id: str) -> bytes | None:
        """One call."""
        key = (TENANT, _KIND, id)
        row = await self._reader.do(lambda raw: raw.execute(self._select, key).fetchone())
        return row[0] if row else None

    async def insert(self, body: bytes) -> None:
        """One call, which is the transaction."""
        version, audit = _rows(body)

        def transaction(raw: sqlite3.Connection) -> None:
            raw.execute("BEGIN IMMEDIATE")
            raw.execute(self._inserts[0], version)
            raw.execute(self._inserts[1], audit)
            raw.execute("COMMIT")

        await self._writer.do(transaction)


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Store]:
    if not url.startswith("sqlite:"):
        async with asyncpg.create_pool(
            url, min_size=1, max_size=8, init=_turned, reset=_nothing
        ) as pool:
            yield Postgresql(pool)
        return
    path = Path(url.removeprefix("sqlite:///"))
    reader, writer = [await SqliteConnection.open(path, 10) for _ in range(2)]
    yield Sqlite(reader, writer)
    for connection in (reader, writer):
        await connection.close()


async def _turned(connection: Any) -> None:
    await connection.execute(seeing(TENANT))


async def _nothing(_connection: Any) -> None:
    pass


async def _trivial(_request: Request) -> Response:
    return Response(b"{}", media_type=_JSON)


async def _raw(request: Request) -> Response:
    text = await request.app.state.store.fetch(request.path_params["id"])
    return Response(text or b"", status_code=200 if text else 404, media_type=_JSON)


async def _inserted(request: Request) -> Response:
    body = await request.body()
    await request.app.state.store.insert(body)
    return Response(body, status_code=201, media_type=_JSON)


def application() -> Starlette:
    """The reference server, on the database that Rapport's settings name."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with _opened(Settings().database) as store:
            app.state.store = store
            yield

    routes = [
        Route("/trivial", _trivial),
        Route("/raw/{id}", _raw),
        Route("/insert", _inserted, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)
