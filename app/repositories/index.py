"""The search index as a whole, made anew from what is stored."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Integer, bindparam, delete, func, insert, select, update

from app.db.engine import Connection, Statement
from app.db.metadata import Str
from app.db.tables.consents import consent_rule
from app.db.tables.indexes import INDEX_TABLES
from app.db.tables.keys import readable
from app.db.tables.resources import resource, resource_history
from app.repositories.codec import EnvelopeCodec
from app.repositories.data_keys import DataKeys
from app.repositories.index_keys import IndexKeys
from app.repositories.versions import StoredVersion, open_row
from app.search.indexer import Indexed
from app.search.secrecy import at_rest
from app.search.visibility import Visible

_DELETE = [
    Statement(
        delete(table).where(
            table.c.tenant == bindparam("tenant", type_=Integer()),
            table.c.rid == bindparam("rid", type_=BigInteger()),
        )
    )
    for table in INDEX_TABLES
]
_INSERT = {table.name: Statement(insert(table)) for table in INDEX_TABLES}
_HASH_CLASS = Statement(
    update(resource)
    .where(
        resource.c.tenant == bindparam("this_tenant", type_=Integer()),
        resource.c.rid == bindparam("this_rid", type_=BigInteger()),
    )
    .values(data_class=bindparam("new", type_=Str))
)
_NAMES = tuple(column.name for column in resource.columns)

_RID = _NAMES.index("rid")


class Index:
    """Walks the current resources and replaces their rows."""

    def __init__(
        self, connection: Connection, codec: EnvelopeCodec, keys: DataKeys, index_keys: IndexKeys
    ) -> None:
        self._connection = connection
        self._codec = codec
        self._keys = keys
        self._index_keys = index_keys

    async def after(
        self, rid: int, *, limit: int, visible: Visible, kind: int | None = None
    ) -> tuple[int | None, Sequence[StoredVersion]]:
        """The next undeleted resources, and the last row number looked at (None: no more).

        Of one type, or of any. What was sealed under a key that is destroyed has nothing left to
        be found by.
        """
        rows = await self._connection.fetch(
            select(*(readable(resource, name) for name in _NAMES))
            .where(
                resource.c.tenant == visible.tenant,
                resource.c.rid > rid,
                resource.c.deleted == 0,
                *([] if kind is None else [resource.c.kind == kind]),
            )
            .order_by(resource.c.rid)
            .limit(limit)
        )
        found = await self._keys.opening(lambda: [open_row(row, self._codec) for row in rows])
        left = [stored for stored in found if not stored.deleted]
        return (rows[-1][_RID] if rows else None), left

    async def count(self, kind: int, *, visible: Visible) -> int:
        """How many resources of a type there are, undeleted."""
        rows = await self._connection.fetch(
            select(func.count()).where(
                resource.c.tenant == visible.tenant,
                resource.c.kind == kind,
                resource.c.deleted == 0,
            )
        )
        return int(rows[0][0])

    async def hash_classes(self, tenant: int, *, after: int, upto: int) -> None:
        """Hashes what kind of data the rows between two are, where it stands in clear.

        A past version is judged by its current one, and need not tell it.
        """
        between = (resource.c.tenant == tenant, resource.c.rid > after, resource.c.rid <= upto)
        rows = await self._connection.fetch(
            select(resource.c.rid, resource.c.data_class).where(
                *between, resource.c.data_class.is_not(None)
            )
        )
        hashed = await self._index_keys.hashing(
            lambda key: [(rid, key.data_class(tenant, lines)) for rid, lines in rows]
        )
        changed = [
            {"this_tenant": tenant, "this_rid": rid, "new": lines}
            for (rid, lines), (_, former) in zip(hashed, rows, strict=True)
            if lines != former
        ]
        if changed:
            await self._connection.execute_many(_HASH_CLASS, changed)
        past = resource_history.c
        await self._connection.execute(
            update(resource_history)
            .where(past.tenant == tenant, past.rid > after, past.rid <= upto)
            .where(past.data_class.is_not(None))
            .values(data_class=None)
        )

    async def hash_rules(self, tenant: int) -> None:
        """Hashes the codes of the rules of a tenant's Consents, where they stand in clear."""
        rule = consent_rule.c
        rows = await self._connection.fetch(
            select(rule.code).where(rule.tenant == tenant, rule.code != "").distinct()
        )
        hashed = await self._index_keys.hashing(
            lambda key: [(code, key.data_class(tenant, code)) for (code,) in rows]
        )
        for code, new in hashed:
            if new != code:
                await self._connection.execute(
                    update(consent_rule)
                    .where(rule.tenant == tenant, rule.code == code)
                    .values(code=new)
                )

    async def replace(self, stored: StoredVersion, indexed: Indexed) -> None:
        """Puts these rows in the place of those that a resource has."""
        key = {"tenant": stored.tenant, "rid": stored.rid}
        for statement in _DELETE:
            await self._connection.execute(statement, key)
        at_hand = await self._index_keys.hashing(
            lambda key: at_rest(indexed.rows, tenant=stored.tenant, kind=stored.kind, key=key)
        )
        for name, rows in at_hand.items():
            if rows:
                await self._connection.execute_many(
                    _INSERT[name], [{**key, **values} for values in rows]
                )
