"""A parsed path: the FHIRPath subset, https://hl7.org/fhirpath/N1/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from app.fhir.json import JSON


@dataclass(frozen=True, slots=True)
class This:
    """The context: the resource at the top, the item inside ``where(…)``."""


@dataclass(frozen=True, slots=True)
class Head:
    """A leading type name: the context if it is of that type."""

    type: str


@dataclass(frozen=True, slots=True)
class Member:
    """``of.name``; a choice element goes by its name without suffix."""

    of: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """``of[position]``, from 0."""

    of: Expression
    position: int


@dataclass(frozen=True, slots=True)
class Call:
    """``of.function(arguments)``."""

    of: Expression
    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class OfType:
    """``of as type``, ``of.as(type)``, ``of.ofType(type)``: the items of that type."""

    of: Expression
    type: str


@dataclass(frozen=True, slots=True)
class Is:
    """``of is type``: whether the one item is of that type."""

    of: Expression
    type: str


@dataclass(frozen=True, slots=True)
class Union:
    """``left | right``."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Equal:
    """``left = right``, or ``!=`` when negated."""

    left: Expression
    right: Expression
    negated: bool


@dataclass(frozen=True, slots=True)
class Logic:
    """``left and right``, ``left or right``."""

    left: Expression
    right: Expression
    operator: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, boolean or number."""

    value: JSON


Expression: TypeAlias = (
    This | Head | Member | Index | Call | OfType | Is | Union | Equal | Logic | Literal
)
