"""What the log can show of itself: checkpoints, leaves, proofs, keys.

Leaves say when something was recorded and commit to what; they name no tenant and no person.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from app.core.errors import AppError, Category
from app.domain.transparency import consistency_ranges, inclusion_ranges
from app.fhir.audit.record import event_key
from app.repositories.audit_log import THE_LOG
from app.repositories.audit_stored import StoredCheckpoint
from app.repositories.audit_tree import AuditTree
from app.repositories.unit_of_work import UnitsOfWork
from app.services.audit_keys import written

_CHUNK = 1000


class Proofs:
    """Reads the tree."""

    def __init__(self, units: UnitsOfWork) -> None:
        self._database = units.database

    async def checkpoint(self) -> StoredCheckpoint:
        """The newest signed checkpoint."""
        async with self._database.read(THE_LOG) as connection:
            found = await AuditTree(connection).checkpoint()
        if found is None:
            raise AppError.of(Category.UNAVAILABLE, "transient", "no checkpoint is signed yet")
        return found

    async def keys(self) -> str:
        """Every public key of the log, one C2SP verifier key a line."""
        async with self._database.read(THE_LOG) as connection:
            return written(await AuditTree(connection).keys())

    async def size(self) -> int:
        """How many leaves there are."""
        async with self._database.read(THE_LOG) as connection:
            return await AuditTree(connection).size()

    async def entries(self, start: int, end: int) -> AsyncIterator[bytes]:
        """The leaves from ``start`` to before ``end``, a line each, in pieces.

        A connection is held for a piece, not for as long as a client reads.
        """
        while start < end:
            stop = min(end, start + _CHUNK)
            async with self._database.read(THE_LOG) as connection:
                lines = [text + b"\n" async for text in AuditTree(connection).leaves(start, stop)]
            yield b"".join(lines)
            start = stop

    async def inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that the tree of ``size`` leaves holds leaf ``index``."""
        if not 0 <= index < size:
            raise _refused("index must be a leaf of a tree of this size")
        async with self._database.read(THE_LOG) as connection:
            tree = AuditTree(connection)
            await _has(tree, size)
            return await tree.hashes(inclusion_ranges(index, size))

    async def consistency(self, first: int, second: int) -> list[bytes]:
        """The proof that the tree of ``second`` leaves extends that of ``first``."""
        if not 0 <= first <= second:
            raise _refused("from must not be greater than to")
        async with self._database.read(THE_LOG) as connection:
            tree = AuditTree(connection)
            await _has(tree, second)
            return await tree.hashes(consistency_ranges(first, second))

    async def index_of(self, id: str, *, tenant: int) -> int:
        """The leaf of an AuditEvent of a tenant."""
        key = event_key(id)
        found = None
        if key is not None:
            async with self._database.read(THE_LOG) as connection:
                found = await AuditTree(connection).index_of(tenant, *key)
        if found is None:
            raise AppError.of(Category.NOT_FOUND, "not-found", "the tree has no such event")
        return found


async def _has(tree: AuditTree, size: int) -> None:
    if size > await tree.size():
        raise _refused("the tree is smaller than that")


def _refused(text: str) -> AppError:
    return AppError.of(Category.INVALID, "value", text)
