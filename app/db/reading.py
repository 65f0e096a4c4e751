"""What a connection that only reads refuses."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Executable

from app.db.engine import Change, Params, Statement, Whose


class OnlyReads:
    """The part of a connection that is for who writes."""

    async def execute(self, statement: Statement | Executable, params: Params | None = None) -> int:
        """Not for one who reads."""
        raise TypeError("a reader does not write")

    async def execute_many(self, statement: Statement | Executable, rows: Sequence[Params]) -> None:
        """Not for one who reads."""
        raise TypeError("a reader does not write")

    async def apply(self, changes: Sequence[Change]) -> None:
        """Not for one who reads."""
        raise TypeError("a reader does not write")

    async def begin(self) -> None:
        """Not for one who reads."""
        raise TypeError("a reader does not write")

    async def lock(self, name: str) -> None:
        """Not for one who reads."""
        raise TypeError("a reader holds nothing")

    async def turn_to(self, _whose: Whose, /) -> None:
        """Not for one who reads: it was opened for whom it is about."""
        raise TypeError("a reader stays with whose rows it reads")
