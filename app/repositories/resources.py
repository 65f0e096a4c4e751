"""The resources: append a version, read one.

A read says for whom: ``visible`` is compiled into its query, and what is hidden is not
found. A write collects rows, ``flush`` sends them together, and every reading method flushes
first, so a unit of work reads its own writes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    Integer,
    and_,
    bindparam,
    delete,
    insert,
    null,
    select,
    update,
)

from app.db.engine import Change, Connection, Insert, Params, Row, Statement
from app.db.tables.indexes import INDEX_TABLES
from app.db.tables.keys import readable
from app.db.tables.resources import compartment, resource, resource_author, resource_history
from app.fhir.registry import REGISTRY
from app.repositories import lookups
from app.repositories.codec import DataKey, EnvelopeCodec
from app.repositories.consents import Consents
from app.repositories.data_keys import DataKeys
from app.repositories.index_keys import IndexKeys
from app.repositories.lookups import COLUMNS
from app.repositories.versions import StoredVersion, as_seen, open_row, with_past
from app.search.expression import Slot
from app.search.found import NOBODY, Whose, together
from app.search.indexer import Indexed
from app.search.secrecy import IndexKey, at_rest
from app.search.sources.resource import of_people, owned, whose
from app.search.values import bind, equals, in_clear, one_of
from app.search.visibility import Alternative, Visible

__all__ = ["Locked", "Resources", "StoredVersion"]

# A past version is judged by its current one: what kind of data it was is not kept beside it.
_CURRENT = [null() if name == "data_class" else resource.c[name] for name in COLUMNS]
_PAST = [readable(resource_history, name) for name in COLUMNS]


@dataclass(frozen=True, slots=True)
class Locked:
    """A resource held for writing, and whether the caller may see it."""

    stored: StoredVersion
    seen: bool


_PATIENT = REGISTRY["Patient"].code
_GROUP = REGISTRY["Group"].code
_HOLD = {
    name: bindparam(name, type_=kind)
    for name, kind in (("tenant", Integer()), ("rid", BigInteger()))
}
_THIS_ROW = and_(resource.c.tenant == _HOLD["tenant"], resource.c.rid == _HOLD["rid"])

_INSERT = Insert(resource)
_RETIRE = Statement(
    insert(resource_history).from_select(COLUMNS, select(*_CURRENT).where(_THIS_ROW))
)
_REPLACE = Statement(
    update(resource)
    .where(
        resource.c.tenant == bindparam("this_tenant", type_=Integer()),
        resource.c.rid == bindparam("this_rid", type_=BigInteger()),
    )
    .values(
        {name: bindparam(name) for name in COLUMNS if name not in ("tenant", "kind", "id", "rid")}
    )
)
_INSERT_COMPARTMENT = Insert(compartment)
_INSERT_AUTHOR = Insert(resource_author)
_INSERT_INDEX = {table.name: Insert(table) for table in INDEX_TABLES}
_DELETE_INDEX = [
    Statement(delete(table).where(table.c.tenant == _HOLD["tenant"], table.c.rid == _HOLD["rid"]))
    for table in INDEX_TABLES
]
_READ_PAST = Statement(
    select(*_PAST)
    .select_from(with_past(resource))
    .where(
        resource_history.c.tenant == _HOLD["tenant"],
        resource_history.c.rid == _HOLD["rid"],
        resource_history.c.version == bindparam("version", type_=Integer()),
    ),
    by_key=True,
)
_OWNERS_OF = Statement(
    select(resource.c.kind, resource.c.id, owned(compartment))
    .where(
        equals(compartment.c.tenant, Slot(0)),
        one_of(compartment.c.rid, Slot(1, is_list=True)),
        of_people(compartment),
        resource.c.tenant == compartment.c.tenant,
        resource.c.rid == compartment.c.rid,
    )
    .group_by(resource.c.kind, resource.c.id)
)
_DELETE_OWNERS = [
    Statement(delete(table).where(table.c.tenant == _HOLD["tenant"], table.c.rid == _HOLD["rid"]))
    for table in (compartment, resource_author)
]


class Resources:
    """Current versions, their history, their owners and their index rows."""

    def __init__(
        self,
        connection: Connection,
        codec: EnvelopeCodec,
        keys: DataKeys,
        consents: Consents,
        index_keys: IndexKeys,
    ) -> None:
        self._connection = connection
        self._codec = codec
        self._keys = keys
        self._unsealed: list[tuple[dict[str, Any], StoredVersion]] = []
        self._consents = consents
        self._index_keys = index_keys
        self._unhashed: list[tuple[StoredVersion, Indexed]] = []
        self._retired: list[Params] = []
        self._inserted: list[Params] = []
        self._replaced: list[Params] = []
        self._unindexed: list[Params] = []
        self._disowned: list[Params] = []
        self._owners: list[Params] = []
        self._authors: list[Params] = []
        self._index: dict[str, list[Params]] = {}
        self._joint: dict[tuple[int, int], None] = {}

    # -- writing ---------------------------------------------------------------------------

    def append(
        self, new: StoredVersion, *, indexed: Indexed | None, previous: StoredVersion | None
    ) -> None:
        """Adds a version; ``indexed`` is None for a deletion, which keeps its owners."""
        key = {"tenant": new.tenant, "rid": new.rid}
        row = _row(new)
        self._unsealed.append((row, new))
        if previous is None:
            self._inserted.append(row)
        else:
            self._retired.append(key)
            row |= {"this_tenant": new.tenant, "this_rid": new.rid}
            self._replaced.append(row)
            self._unindexed.append(key)
        if indexed is None:
            return
        if previous is not None:
            self._disowned.append(key)
        self._unhashed.append((new, indexed))
        self._owners.extend(
            {**key, "kind": new.kind, "owner_kind": owner_kind, "owner_id": owner_id}
            for owner_kind, owner_id in indexed.compartments
        )
        if any(owner_kind == _GROUP for owner_kind, _ in indexed.compartments):
            self._joint[new.tenant, new.rid] = None
        self._authors.extend(
            {**key, "author_kind": author_kind, "author_id": author_id}
            for author_kind, author_id in indexed.authors
        )

    async def changes(self) -> Sequence[Change]:
        """What was appended since the last time, and what follows for who may see what."""
        if not self._unsealed:
            return await self._consents.changes(())
        for name, index in (await self._index_keys.hashing(self._hashed)).items():
            self._index.setdefault(name, []).extend(index)
        self._unhashed.clear()
        await self._seal()
        steps: list[tuple[Sequence[Statement], list[Params]]] = [
            ([_RETIRE], self._retired),
            ([_REPLACE], self._replaced),
            (_DELETE_INDEX, self._unindexed),
            (_DELETE_OWNERS, self._disowned),
            ([_INSERT], self._inserted),
            ([_INSERT_COMPARTMENT], self._owners),
            ([_INSERT_AUTHOR], self._authors),
            *(([_INSERT_INDEX[name]], index) for name, index in self._index.items()),
        ]
        made = [
            Change(statement, rows[:])
            for statements, rows in steps
            if rows
            for statement in statements
        ]
        for _, rows in steps:
            rows.clear()
        made += await self._consents.changes(self._joint)
        self._joint.clear()
        return made

    async def flush(self) -> None:
        """Sends what was appended."""
        changes = await self.changes()
        if changes:
            await self._connection.apply(changes)

    async def _seal(self) -> None:
        owners: dict[int, set[str]] = {}
        for _, new in self._unsealed:
            owners.setdefault(new.tenant, set()).add(new.key_owner)
        keys = {tenant: await self._keys.of(tenant, each) for tenant, each in owners.items()}
        for row, new in self._unsealed:
            row.update(await self._keys.opening(partial(self._sealed, keys, new)))
        self._unsealed.clear()

    def _hashed(self, key: IndexKey) -> Mapping[str, list[Params]]:
        index: dict[str, list[Params]] = {}
        for row, new in self._unsealed:
            row["data_class"] = new.data_class and key.data_class(new.tenant, new.data_class)
        for new, indexed in self._unhashed:
            rid = {"tenant": new.tenant, "rid": new.rid}
            stored = at_rest(indexed.rows, tenant=new.tenant, kind=new.kind, key=key)
            for name, rows in stored.items():
                if rows:
                    index.setdefault(name, []).extend({**rid, **values} for values in rows)
        return index

    def _sealed(
        self, keys: Mapping[int, Mapping[str, DataKey]], new: StoredVersion
    ) -> Mapping[str, Any]:
        sealed = self._codec.seal(
            new.text,
            key=keys[new.tenant][new.key_owner],
            owner=new.key_owner,
            context=f"{new.tenant}|{new.kind}|{new.id}|{new.version}",
        )
        return sealed._asdict()

    # -- reading ---------------------------------------------------------------------------

    async def lock(self, kind: int, id: str, *, visible: Visible) -> Locked | None:
        """The current version, deletions too, held until the transaction ends."""
        return (await self.lock_all(kind, [id], visible=visible)).get(id)

    async def lock_all(
        self, kind: int, ids: Sequence[str], *, visible: Visible
    ) -> Mapping[str, Locked]:
        """The same of several resources of one type, by id."""
        await self._connection.begin()
        rows = await self._look("lock", kind, ids, visible=visible)
        stored = await self._opened(rows, visible)
        locked = [Locked(each, bool(row[-1])) for each, row in zip(stored, rows, strict=True)]
        return {each.stored.id: each for each in locked}

    async def reaches(self, stored: StoredVersion, *, visible: Visible) -> bool:
        """Whether a version that this unit wrote is within reach, its labels left aside."""
        ways = [_unlabelled(way) for way in visible.grants.get(stored.kind, ())]
        if Alternative() in ways and stored.kind not in visible.denials:
            return True
        reach = replace(visible, grants={stored.kind: tuple(ways)})
        return bool(await self._look("reach", stored.kind, [stored.id], visible=reach))

    async def read(self, kind: int, id: str, *, visible: Visible) -> StoredVersion | None:
        """The current version, deletions too."""
        rows = await self._look("read", kind, [id], visible=visible)
        return (await self._opened(rows, visible))[0] if rows else None

    async def _look(
        self, purpose: lookups.Purpose, kind: int, ids: Sequence[str], *, visible: Visible
    ) -> Sequence[Row]:
        await self.flush()
        dialect = self._connection.dialect
        made = partial(lookups.lookup, purpose, kind, ids, visible=visible, dialect=dialect)
        statement, params = await self._index_keys.hashing(
            lambda key: made(hash=partial(key.hashed, visible.tenant))
        )
        return await self._connection.fetch(statement, params)

    async def read_version(
        self, kind: int, id: str, version: int, *, visible: Visible
    ) -> StoredVersion | None:
        """One version of a resource that is visible today, unless it is about somebody else."""
        current = await self.read(kind, id, visible=visible)
        if current is None or version == current.version:
            return current
        key = {"tenant": current.tenant, "rid": current.rid, "version": version}
        rows = await self._connection.fetch(_READ_PAST, key)
        if not rows:
            return None
        past = await self._keys.opening(lambda: as_seen(open_row(rows[0], self._codec), visible))
        return replace(past, whose=current.whose)

    async def _opened(self, rows: Sequence[Row], visible: Visible) -> list[StoredVersion]:
        return await self._keys.opening(lambda: [self._stored(row, visible) for row in rows])

    def _stored(self, row: Row, visible: Visible) -> StoredVersion:
        owners = whose(row[len(COLUMNS)])
        return as_seen(open_row(row, self._codec, whose=owners), visible)

    async def labels(
        self, sources: Collection[tuple[int, str]], *, visible: Visible
    ) -> Mapping[tuple[int, str], tuple[int, int]]:
        """Confidentiality and sensitivity of those resources that are seen, by number and id."""
        by_kind: dict[int, list[str]] = {}
        for kind, id in sources:
            by_kind.setdefault(kind, []).append(id)
        found: dict[tuple[int, str], tuple[int, int]] = {}
        for kind, ids in by_kind.items():
            rows = await self._look("labels", kind, ids, visible=visible)
            found.update(((kind, id), (rank, bits)) for id, rank, bits in rows)
        return found

    async def whose(self, rids: Collection[int], *, visible: Visible) -> Whose:
        """Whose these rows are, as the log tells it."""
        if not rids:
            return NOBODY
        params = bind([visible.tenant, tuple(rids)], self._connection.dialect, in_clear)
        rows = await self._connection.fetch(_OWNERS_OF, params)
        return together(whose(owners).told_of(kind, id) for kind, id, owners in rows)


def _unlabelled(way: Alternative) -> Alternative:
    return replace(way, confidentiality=None, sensitivity=None)


def _row(new: StoredVersion) -> dict[str, Any]:
    """The columns of a version but those of its sealed text."""
    return {
        "tenant": new.tenant,
        "kind": new.kind,
        "id": new.id,
        "rid": new.rid,
        "version": new.version,
        "updated": new.updated,
        "deleted": int(new.deleted),
        "interaction": new.interaction,
        "key_owner": new.key_owner,
        "confidentiality": new.confidentiality,
        "sensitivity": new.sensitivity,
        "data_class": new.data_class,
    }
