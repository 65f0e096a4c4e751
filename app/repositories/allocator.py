"""Row numbers, taken in blocks so that a write knows them before it begins.

Each process takes a block of numbers in a transaction of its own and hands out ranges of it;
numbers of a block that dies with its process are never used again. Numbers tell apart rows
of one table; they never leave the server.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import BigInteger, bindparam, insert, update

from app.db.engine import Database, EveryTenant, Statement, UniqueViolation
from app.db.metadata import Str
from app.db.tables.queue import allocator

BLOCK = 10_000
_SPARE = 1_000  # for who needs more than was thought: nobody can fetch a block in the middle
_NUMBERS = EveryTenant("row numbers are the installation's")

_TAKE = Statement(
    update(allocator)
    .where(allocator.c.name == bindparam("key", type_=Str))
    .values(next=allocator.c.next + bindparam("block", type_=BigInteger))
    .returning(allocator.c.next)
)
_START = Statement(insert(allocator))


class Allocator:
    """Hands out ranges of numbers, unique over all processes."""

    def __init__(self, database: Database, name: str = "row") -> None:
        self._database = database
        self._name = name
        self._next = 0
        self._end = 0

    async def reserve(self, count: int) -> Iterator[int]:
        """The caller's own numbers, increasing: ``count``, and as it goes on as many more."""
        if self._end - self._next < count + _SPARE:
            block = max(count + _SPARE, BLOCK)
            end = await self._advance(block)
            if end - block > self._next:  # nobody advanced further meanwhile
                self._next, self._end = end - block, end
        first = self._next
        self._next += count
        return self._from(first, count)

    def _from(self, first: int, count: int) -> Iterator[int]:
        yield from range(first, first + count)
        while self._next < self._end:
            self._next += 1
            yield self._next - 1

    async def _advance(self, block: int) -> int:
        rows = await self._update(block)
        if not rows:
            try:
                async with self._database.write(_NUMBERS) as connection:
                    await connection.execute(_START, {"name": self._name, "next": 1})
            except UniqueViolation:
                pass  # another process began this name
            rows = await self._update(block)
        return rows[0]

    async def _update(self, block: int) -> list[int]:
        async with self._database.write(_NUMBERS) as connection:
            rows = await connection.fetch(_TAKE, {"key": self._name, "block": block})
        return [row[0] for row in rows]
