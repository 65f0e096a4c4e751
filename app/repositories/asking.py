"""Asking the search index and opening what is found: what searches and walks have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from app.db.engine import Connection, Row, Statement
from app.repositories.codec import EnvelopeCodec, Sealed
from app.repositories.data_keys import DataKeys
from app.repositories.index_keys import IndexKeys
from app.search import pages
from app.search.compiler import source_of
from app.search.expression import Value
from app.search.found import Found
from app.search.plans import Plan
from app.search.values import bind, in_clear
from app.search.visibility import Visible


class Asking:
    """Asks through one connection; without ``index_keys`` its index is in clear."""

    def __init__(
        self,
        connection: Connection,
        codec: EnvelopeCodec,
        keys: DataKeys,
        index_keys: IndexKeys | None,
    ) -> None:
        self._connection = connection
        self._codec = codec
        self._keys = keys
        self._index_keys = index_keys

    async def _looked(self, planned: Plan) -> Plan:
        """The plan, once its candidates have been looked at."""
        if not planned.candidates:
            return planned
        look = pages.look(planned.shape, planned.candidates)
        counts = await self._ask(look, planned.values, planned.tenant)
        return planned.looked(counts[0])

    async def _ask(self, statement: Statement, values: list[Value], tenant: int) -> Sequence[Row]:
        return await self._connection.fetch(statement, await self._bind(values, tenant))

    async def _bind(self, values: list[Value], tenant: int) -> dict[str, object]:
        return await bound(self._connection, values, tenant, self._index_keys)

    async def _seen(
        self, kinds: Sequence[int], rows: Sequence[Row], visible: Visible
    ) -> list[Found]:
        source = source_of(kinds[0])
        return await self._keys.opening(
            lambda: [shown(source.found(row, self._unseal), visible) for row in rows]
        )

    def _unseal(
        self, sealed: tuple[bytes, int, bytes | None, bytes | None], *, owner: str, context: str
    ) -> bytes:
        return self._codec.open(Sealed(*sealed), owner=owner, context=context)


async def bound(
    connection: Connection, values: list[Value], tenant: int, index_keys: IndexKeys | None
) -> dict[str, object]:
    """The parameters of a statement of slots; without ``index_keys`` the index is in clear."""
    dialect = connection.dialect
    if index_keys is None:
        return bind(values, dialect, in_clear)
    return await index_keys.hashing(lambda key: bind(values, dialect, partial(key.hashed, tenant)))


def shown(found: Found, visible: Visible) -> Found:
    """What was found with the text that may be seen."""
    text = visible.shown(found.kind, found.text)
    return found if text is found.text else replace(found, text=text)
