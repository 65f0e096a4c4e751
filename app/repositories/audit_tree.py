"""The tree over the audit log as it is stored: leaves in order, subtrees, checkpoints, keys.

Only complete subtrees of 2^8, 2^16 … leaves are kept; any other hash is made of at most 255
of them or of leaves, so a proof reads a few hundred rows however large the tree is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from sqlalchemy import (
    BigInteger,
    Integer,
    SmallInteger,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
)

from app.db.engine import Connection, Row, Statement
from app.db.metadata import Micros, Str
from app.db.tables.audit import (
    audit_checkpoint,
    audit_event,
    audit_key,
    audit_leaf,
    audit_node,
    audit_pending,
)
from app.domain.transparency import (
    Frontier,
    Range,
    Subtree,
    joined,
    leaf_hash,
    node_hash,
    subtrees,
)
from app.fhir.audit.record import AuditRecord, event_key, leaf
from app.repositories.audit_stored import StoredCheckpoint, StoredLogKey, TreeDamaged
from app.search.sources.audit_rows import COLUMNS, record_of

STEP = 8  # levels between the subtrees that are kept
_LOCK = "audit-tree"
_CHUNK = 1000

_SIZE = Statement(select(func.coalesce(func.max(audit_leaf.c.leaf_index) + 1, 0)))
_WAITING = Statement(select(audit_pending.c.aid).limit(1))
_NEXT = Statement(
    select(
        audit_pending.c.tenant,
        audit_pending.c.recorded,
        audit_pending.c.aid,
        audit_event.c.commitment,
    )
    .join(
        audit_event,
        and_(
            audit_event.c.tenant == audit_pending.c.tenant,
            audit_event.c.recorded == audit_pending.c.recorded,
            audit_event.c.aid == audit_pending.c.aid,
        ),
    )
    .order_by(audit_pending.c.recorded, audit_pending.c.aid)
    .limit(bindparam("most", type_=Integer()))
)
_ADD_LEAF = Statement(insert(audit_leaf))
_ADD_NODE = Statement(insert(audit_node))
_DONE = Statement(
    delete(audit_pending).where(
        audit_pending.c.recorded == bindparam("recorded", type_=Micros),
        audit_pending.c.aid == bindparam("aid", type_=BigInteger()),
        audit_pending.c.tenant == bindparam("tenant", type_=Integer()),
    )
)
_LEAVES = Statement(
    select(audit_leaf.c.recorded, audit_leaf.c.aid, audit_leaf.c.commitment)
    .where(
        audit_leaf.c.leaf_index >= bindparam("start", type_=BigInteger()),
        audit_leaf.c.leaf_index < bindparam("end", type_=BigInteger()),
    )
    .order_by(audit_leaf.c.leaf_index)
)
_NODES = Statement(
    select(audit_node.c.hash)
    .where(
        audit_node.c.level == bindparam("level", type_=SmallInteger()),
        audit_node.c.position >= bindparam("start", type_=BigInteger()),
        audit_node.c.position < bindparam("end", type_=BigInteger()),
    )
    .order_by(audit_node.c.position)
)
_OF_EVENT = and_(
    audit_event.c.tenant == audit_leaf.c.tenant,
    audit_event.c.recorded == audit_leaf.c.recorded,
    audit_event.c.aid == audit_leaf.c.aid,
)
_EVENTS = Statement(
    select(
        audit_leaf.c.recorded,
        audit_leaf.c.aid,
        audit_leaf.c.commitment,
        *(audit_event.c[name] for name in COLUMNS),
    )
    .outerjoin(audit_event, _OF_EVENT)
    .where(
        audit_leaf.c.leaf_index >= bindparam("start", type_=BigInteger()),
        audit_leaf.c.leaf_index < bindparam("end", type_=BigInteger()),
    )
    .order_by(audit_leaf.c.leaf_index)
)
_STRAY = Statement(
    select(audit_event.c.recorded, audit_event.c.aid)
    .outerjoin(audit_leaf, _OF_EVENT)
    .outerjoin(
        audit_pending,
        and_(
            audit_event.c.tenant == audit_pending.c.tenant,
            audit_event.c.recorded == audit_pending.c.recorded,
            audit_event.c.aid == audit_pending.c.aid,
        ),
    )
    .where(audit_leaf.c.leaf_index.is_(None), audit_pending.c.aid.is_(None))
    .limit(bindparam("most", type_=Integer()))
)
_RETAINED = Statement(
    select(audit_event.c.entity_name).where(audit_event.c.event == bindparam("kind", type_=Str))
)
_DETAILS = Statement(
    select(audit_event.c.detail)
    .where(audit_event.c.event == bindparam("kind", type_=Str))
    .order_by(audit_event.c.recorded, audit_event.c.aid)
)
_OLDER = Statement(
    select(audit_event.c.aid)
    .where(audit_event.c.recorded < bindparam("instant", type_=Micros))
    .limit(1)
)
_INDEX = Statement(
    select(audit_leaf.c.leaf_index).where(
        audit_leaf.c.recorded == bindparam("recorded", type_=Micros),
        audit_leaf.c.aid == bindparam("aid", type_=BigInteger()),
        audit_leaf.c.tenant == bindparam("tenant", type_=Integer()),
    )
)
_LATEST = Statement(
    select(audit_checkpoint.c.size, audit_checkpoint.c.recorded, audit_checkpoint.c.note)
    .order_by(audit_checkpoint.c.size.desc())
    .limit(1)
)
_CHECKPOINTS = Statement(
    select(audit_checkpoint.c.size, audit_checkpoint.c.recorded, audit_checkpoint.c.note).order_by(
        audit_checkpoint.c.size
    )
)
_ADD_CHECKPOINT = Statement(insert(audit_checkpoint))
_KEYS = Statement(
    select(
        audit_key.c.id,
        audit_key.c.created,
        audit_key.c.origin,
        audit_key.c.public,
        audit_key.c.sealed,
    ).order_by(audit_key.c.created, audit_key.c.id)
)
_ADD_KEY = Statement(insert(audit_key))


class AuditTree:
    """The tree through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def size(self) -> int:
        """How many leaves there are."""
        return int((await self._connection.fetch(_SIZE))[0][0])

    async def is_waiting(self) -> bool:
        """Whether a record has no leaf yet."""
        return bool(await self._connection.fetch(_WAITING))

    async def sequence(
        self, frontier: Frontier | None, *, limit: int
    ) -> tuple[Frontier, list[Row]]:
        """Gives leaves to at most ``limit`` records, in the caller's transaction.

        ``frontier`` is the tree as the caller last knew it. Gives the tree as it now is and
        tenant, instant, number and commitment of each record.
        """
        await self._connection.lock(_LOCK)
        size = await self.size()
        if frontier is None or frontier.size != size:
            frontier = await self.frontier(size)
        rows = list(await self._connection.fetch(_NEXT, {"most": limit}))
        leaves, nodes = [], []
        for tenant, recorded, aid, commitment in rows:
            leaves.append(
                {
                    "leaf_index": frontier.size,
                    "tenant": tenant,
                    "recorded": recorded,
                    "aid": aid,
                    "commitment": commitment,
                }
            )
            hash = leaf_hash(leaf(recorded, aid, bytes(commitment)))
            nodes += [
                {"level": at.level, "position": at.position, "hash": made}
                for at, made in frontier.append(hash)
                if at.level and at.level % STEP == 0
            ]
        if leaves:
            await self._connection.execute_many(_ADD_LEAF, leaves)
            await self._connection.execute_many(_DONE, leaves)
        if nodes:
            await self._connection.execute_many(_ADD_NODE, nodes)
        return frontier, rows

    async def frontier(self, size: int) -> Frontier:
        """The right edge of the tree of the first ``size`` leaves."""
        return Frontier(size, [await self._subtree(each) for each in subtrees(0, size)])

    async def root(self, size: int) -> bytes:
        """The root over the first ``size`` leaves."""
        return (await self.frontier(size)).root()

    async def hashes(self, ranges: Sequence[Range]) -> list[bytes]:
        """The roots over ranges of leaves, as a proof names them."""
        return [
            joined([await self._subtree(each) for each in subtrees(start, end)])
            for start, end in ranges
        ]

    async def leaves(self, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes of the leaves from ``start`` to before ``end``."""
        while start < end:
            stop = min(end, start + _CHUNK)
            for recorded, aid, commitment in await self._connection.fetch(
                _LEAVES, {"start": start, "end": stop}
            ):
                yield leaf(recorded, aid, bytes(commitment))
            start = stop

    async def index_of(self, tenant: int, recorded: int, aid: int) -> int | None:
        """The leaf of a record, None where it has none yet."""
        key = {"tenant": tenant, "recorded": recorded, "aid": aid}
        rows = await self._connection.fetch(_INDEX, key)
        return int(rows[0][0]) if rows else None

    async def checkpoint(self) -> StoredCheckpoint | None:
        """The newest checkpoint."""
        rows = await self._connection.fetch(_LATEST)
        return StoredCheckpoint(*rows[0]) if rows else None

    async def checkpoints(self) -> list[StoredCheckpoint]:
        """Every checkpoint, the smallest first."""
        return [StoredCheckpoint(*row) for row in await self._connection.fetch(_CHECKPOINTS)]

    async def events(self, start: int, end: int) -> list[tuple[Row, AuditRecord | None]]:
        """Leaves (instant, number, commitment) and their records, None where one has gone."""
        rows = await self._connection.fetch(_EVENTS, {"start": start, "end": end})
        found = COLUMNS.index("event") + 3
        return [(row[:3], None if row[found] is None else record_of(row[3:])) for row in rows]

    async def strays(self, *, limit: int) -> list[tuple[int, int]]:
        """Instant and number of records that neither have a leaf nor wait for one."""
        rows = await self._connection.fetch(_STRAY, {"most": limit})
        return [(row[0], row[1]) for row in rows]

    async def holds_older(self, instant: int) -> bool:
        """Whether a record from before an instant is kept."""
        return bool(await self._connection.fetch(_OLDER, {"instant": instant}))

    async def details(self, kind: str) -> list[str]:
        """What the log says itself in its records of a kind, the oldest first."""
        rows = await self._connection.fetch(_DETAILS, {"kind": kind})
        return [row[0] for row in rows if row[0] is not None]

    async def retained_from(self) -> int:
        """Before which instant records were removed, as the log says itself; 0 for none."""
        rows = await self._connection.fetch(_RETAINED, {"kind": "audit-retained"})
        keys = [event_key(f"{row[0]}-{0:019d}") for row in rows]
        return max((key[0] for key in keys if key is not None), default=0)

    async def add_checkpoint(self, checkpoint: StoredCheckpoint, *, root: bytes) -> None:
        """Keeps a checkpoint; there is one of a size at most."""
        await self._connection.execute(
            _ADD_CHECKPOINT,
            {
                "size": checkpoint.size,
                "recorded": checkpoint.recorded,
                "root": root,
                "note": checkpoint.note,
            },
        )

    async def keys(self) -> list[StoredLogKey]:
        """Every key the log has signed with, the one in use last."""
        rows = await self._connection.fetch(_KEYS)
        return [
            StoredLogKey(id, created, origin, bytes(public), bytes(sealed))
            for id, created, origin, public, sealed in rows
        ]

    async def add_key(self, key: StoredLogKey) -> None:
        """Keeps a key, which signs from now on."""
        await self._connection.execute(
            _ADD_KEY,
            {
                "id": key.id,
                "created": key.created,
                "origin": key.origin,
                "public": key.public,
                "sealed": key.sealed,
            },
        )

    async def _subtree(self, wanted: Subtree) -> bytes:
        kept = wanted.level - wanted.level % STEP
        first = wanted.position << wanted.level - kept
        span = {"start": first, "end": first + (1 << wanted.level - kept)}
        if kept:
            rows = await self._connection.fetch(_NODES, span | {"level": kept})
            hashes = [bytes(row[0]) for row in rows]
        else:
            rows = await self._connection.fetch(_LEAVES, span)
            hashes = [leaf_hash(leaf(row[0], row[1], bytes(row[2]))) for row in rows]
        if len(hashes) != span["end"] - span["start"]:
            raise TreeDamaged(f"subtree {wanted.position} of level {wanted.level} is not whole")
        while len(hashes) > 1:
            hashes = [node_hash(*pair) for pair in zip(hashes[::2], hashes[1::2], strict=True)]
        return hashes[0]
