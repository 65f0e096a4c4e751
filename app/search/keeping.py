"""Statements kept by what they depend on; of each only the text.

What a text is built of is a hundred times larger than the text, and a worker keeps hundreds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial, wraps
from typing import Any, ParamSpec, cast

from sqlalchemy import Select
from sqlalchemy.engine.interfaces import Dialect

from app.db.engine import CompiledStatement, Statement

P = ParamSpec("P")
SIZE = 512


class Built(Statement):
    """A statement that is built when a dialect first asks for its text."""

    __slots__ = ("_build",)

    def __init__(self, build: Callable[[], Select[Any]]) -> None:
        self._build = build
        self._compiled = {}
        self.by_key = False

    def compiled(self, dialect: Dialect) -> CompiledStatement:
        """The driver's SQL, built and compiled at most once per dialect."""
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = CompiledStatement(self._build(), dialect)
        return found


def kept(build: Callable[P, Select[Any]]) -> Callable[P, Statement]:
    """Keeps the statement that a function builds for the same arguments, the latest ``SIZE``."""

    @lru_cache(maxsize=SIZE)
    @wraps(build)
    def statement(*args: P.args, **options: P.kwargs) -> Statement:
        return Built(partial(build, *args, **options))

    return cast("Callable[P, Statement]", statement)
