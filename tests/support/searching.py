"""A small world of stored resources, and searches over it as a query string says them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import orjson
from sqlalchemy import Delete, Table, delete, insert, select, update

from app.db import engine
from app.db.tables.indexes import INDEX_TABLES
from app.db.tables.resources import compartment, resource, resource_author
from app.db.tables.resources import tenant as tenant_table
from app.fhir.json import dumps, parse_resource
from app.fhir.registry import REGISTRY, by_code
from app.repositories.searches import Searches
from app.search import indexer, parser, secrecy
from app.search.cursor import Position
from app.search.found import Found, Page
from app.search.query import SearchQuery
from app.search.types import Terminology
from app.search.visibility import Visible
from tests.support.databases import ANYBODY, Database
from tests.support.sealing import CODEC, INDEX_KEY, INDEX_KEYS, data_keys

BASE = "http://127.0.0.1:8000/fhir"
NOW = 1_767_225_600_000_000  # 2026-01-01
ALL = Visible.everything(1, reason="the test asks for all there is")


def parse(text: str, type_name: str | None, *, strict: bool = False, **options: Any) -> SearchQuery:
    """The search of a query string."""
    pairs = parse_qsl(text, keep_blank_values=True)
    return parser.parse(pairs, type_name=type_name, base=BASE, now=NOW, strict=strict, **options)


class World:
    """Stores, changes and deletes resources; row numbers and instants count up."""

    def __init__(self, database: engine.Database) -> None:
        self.database = database
        self._rid = 0
        self._versions: dict[tuple[int, str, str], tuple[int, int]] = {}

    async def put(self, *trees: Any, tenant: int = 1, **labels: int) -> None:
        """Stores resources (dicts), each a new one or a new version of its id."""
        async with self.database.write(tenant) as connection:
            for tree in trees:
                await self._store(connection, tree, tenant, labels)

    def skip(self, count: int) -> None:
        """Leaves row numbers out, as if something that is not here had them."""
        self._rid += count

    async def remove(self, reference: str, *, tenant: int = 1) -> None:
        """Deletes a resource: its tombstone stays, its index rows go."""
        name, _, id = reference.partition("/")
        rid, _ = self._versions[tenant, name, id]
        async with self.database.write(tenant) as connection:
            for table in INDEX_TABLES:
                await connection.execute(_gone(table, tenant, rid))
            row = resource.c.tenant == tenant, resource.c.rid == rid
            await connection.execute(update(resource).where(*row).values(deleted=1))

    async def _store(
        self, connection: engine.Connection, tree: Any, tenant: int, labels: dict[str, int]
    ) -> None:
        name, id = tree["resourceType"], tree["id"]
        rid, version = self._versions.get((tenant, name, id), (0, 0))
        if rid:
            for table in (*INDEX_TABLES, compartment, resource_author, resource):
                await connection.execute(_gone(table, tenant, rid))
        else:
            self._rid += 1
            rid = self._rid
        version += 1
        self._versions[tenant, name, id] = rid, version
        text, kind = dumps(tree), REGISTRY[name].code
        indexed = indexer.index(parse_resource(text), name, id=id, base=BASE)
        key = {"tenant": tenant, "rid": rid}
        stored = key | {
            "kind": kind,
            "id": id,
            "version": version,
            "updated": NOW + self._rid * 1_000_000 + version,
            "deleted": 0,
            "interaction": 1,
            "body": text,
            "cipher": 0,
            "key_id": None,
            "nonce": None,
            "key_owner": "tenant",
            "confidentiality": labels.get("confidentiality", 1),
            "sensitivity": labels.get("sensitivity", 0),
            "data_class": None,
        }
        await connection.execute(_INSERT["resource"], stored)
        at_rest = secrecy.at_rest(indexed.rows, tenant=tenant, kind=kind, key=INDEX_KEY)
        for table_name, rows in at_rest.items():
            await connection.execute_many(_INSERT[table_name], [key | row for row in rows])
        for owner_kind, owner_id in indexed.compartments:
            owner = {"owner_kind": owner_kind, "owner_id": owner_id, "kind": kind}
            await connection.execute(_INSERT["compartment"], key | owner)
        for author_kind, author_id in indexed.authors:
            author = {"author_kind": author_kind, "author_id": author_id}
            await connection.execute(_INSERT["resource_author"], key | author)

    async def page(
        self,
        type_name: str | None,
        text: str,
        *,
        visible: Visible = ALL,
        after: Position | None = None,
        terminology: Terminology | None = None,
        bounded: bool = False,
        **options: Any,
    ) -> Page:
        """One page; ``bounded`` names every id, since the index does not answer alone."""
        if bounded:
            named = {id for _, name, id in self._versions if name == type_name}
            text = f"{text}&_id={','.join(sorted(named))}"
        query = parse(text, type_name, terminology=terminology, **options)
        async with self.database.snapshot(visible.tenant) as connection:
            searches = Searches(connection, CODEC, data_keys(connection), INDEX_KEYS)
            return await searches.page(query, visible=visible, after=after)

    async def pages(self, type_name: str | None, text: str, **options: Any) -> list[Page]:
        """Every page, through the positions that each gives for the next."""
        pages = [await self.page(type_name, text, **options)]
        while (after := pages[-1].next) is not None:
            # As a cursor would carry it.
            after = Position.of(orjson.loads(orjson.dumps(after.values())))
            pages.append(await self.page(type_name, text, after=after, **options))
        return pages

    async def find(self, type_name: str | None, text: str, **options: Any) -> list[str]:
        """``Type/id`` of every match, in order; its own total must agree."""
        pages = await self.pages(type_name, text, **options)
        found = [name_of(row) for page in pages for row in page.matches]
        assert all(page.total in (None, len(found)) for page in pages), text
        return found


_INSERT = {
    table.name: engine.Statement(insert(table))
    for table in (*INDEX_TABLES, compartment, resource_author, resource)
}


def _gone(table: Table, tenant: int, rid: int) -> Delete:
    return delete(table).where(table.c.tenant == tenant, table.c.rid == rid)


def name_of(row: Found) -> str:
    """``Type/id``."""
    return f"{by_code(row.kind).name}/{row.id}"


@asynccontextmanager
async def world(database: Database) -> AsyncIterator[World]:
    """An empty world with the tenants 1 and 2."""
    opened = await engine.connect(database.url, pool_size=2, lock_timeout=10, statement_timeout=30)
    try:
        async with opened.write(ANYBODY) as connection:
            known = {row[0] for row in await connection.fetch(select(tenant_table.c.id))}
            for number in {0, 1, 2} - known:
                row = {"id": number, "slug": f"t{number}", "name": f"t{number}", "created": 0}
                await connection.execute(insert(tenant_table).values(**row))
        yield World(opened)
    finally:
        await opened.close()
