"""What the file of a search parameter type offers: both halves of one rule.

``extract`` says which index rows a value makes, ``read`` what a caller's text asks for, and
``predicate`` which rows answer. The files do not know each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sqlalchemy import ColumnElement, Table

from app.fhir.paths.nodes import Node
from app.fhir.registry import SearchParameter
from app.search import secrecy
from app.search.expression import Expression, Param, Scalar, Test
from app.search.values import Columns

# A side index (or "" for the main one) and the values of its columns.
Row: TypeAlias = tuple[str, tuple[Scalar, ...]]


class Refused(ValueError):
    """A value or modifier that cannot be asked for; ``code`` is an ``issue-type`` code."""

    def __init__(self, message: str, *, code: str = "value") -> None:
        self.code = code
        super().__init__(message)


class Terminology(Protocol):
    """Knows value sets and code systems; ``None`` where it does not know this one."""

    def expand(self, value_set: str) -> Iterable[tuple[str | None, str]] | None:
        """System and code of each member of a value set."""
        ...

    def above(self, system: str, code: str) -> Iterable[str] | None:
        """The code and those that subsume it."""
        ...

    def below(self, system: str, code: str) -> Iterable[str] | None:
        """The code and those that it subsumes."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What a value is read for: the parameter of a type, the own base, the time, the terms."""

    kind: int
    parameter: SearchParameter
    base: str
    now: int
    terminology: Terminology | None = None

    def param(self, tests: tuple[Test, ...], index: str = "") -> Param:
        """The leaf for this parameter."""
        code, type_ = self.parameter.code, self.parameter.type
        if _is_of_tokens(type_, index) and secrecy.is_keyed(self.kind, code):
            tests = secrecy.keyed_tests(self.kind, code, index, tests)
        return Param(self.kind, code, type_, tests, index)


def _is_of_tokens(type_name: str, index: str) -> bool:
    return index != ":text" if type_name == "token" else index == ":identifier"


class ParameterType(Protocol):
    """One search parameter type: a module of this room."""

    @property
    def INDEXES(self) -> Mapping[str, Table]:  # noqa: N802 - a constant of the file
        """The main index by the empty name, and side indexes."""
        ...

    @property
    def MODIFIERS(self) -> frozenset[str]:  # noqa: N802
        """The modifiers besides ``:missing``."""
        ...

    @property
    def ORDER(self) -> str:  # noqa: N802
        """The column to sort by."""
        ...

    def extract(self, nodes: Iterable[Node], base: str) -> Iterator[Row]:
        """The index rows of a parameter's values; ``base`` is the own base URL."""
        ...

    def read(self, texts: Sequence[str], modifier: str, asked: Asked) -> Expression:
        """What the alternatives ask for; raises ``Refused``."""
        ...

    def predicate(self, rows: Columns, test: Test) -> ColumnElement[bool]:
        """Whether an index row passes a test."""
        ...
