"""Inputs and outputs of operations: https://hl7.org/fhir/R4/parameters.html.

Inputs come as a ``Parameters`` resource, as the one resource that an operation takes, or as the
query of a GET; they are read against what the operation declares, with every complaint at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache, partial
from typing import Any, Literal, TypeAlias

from app.core.errors import AppError, Category, Issue
from app.fhir import json, primitives, validation
from app.fhir.elements import value_of
from app.fhir.json import JSON, Tree

Kind: TypeAlias = Literal[
    "code", "string", "uri", "integer", "integer64", "decimal", "boolean", "dateTime",
    "Reference", "Coding", "CodeableConcept", "resource", "parts",
]  # fmt: skip
Part: TypeAlias = Tree | None

_PRECISION = Decimal("1e-10")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,9})", re.ASCII)
_LONG = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?", re.ASCII)

# The value[x] that may carry an input of each kind.
_CARRIERS: Mapping[Kind, tuple[str, ...]] = {
    "code": ("valueCode", "valueString", "valueCoding", "valueCanonical", "valueUri"),
    "string": ("valueString", "valueMarkdown", "valueCode", "valueId"),
    "uri": ("valueUri", "valueCanonical", "valueUrl", "valueString"),
    "integer": ("valueInteger", "valuePositiveInt", "valueUnsignedInt"),
    # R4 has no such type: numbers of this size are written as text.
    "integer64": ("valueString", "valueInteger", "valuePositiveInt", "valueUnsignedInt"),
    "decimal": ("valueDecimal", "valueInteger", "valuePositiveInt", "valueUnsignedInt"),
    "boolean": ("valueBoolean",),
    "dateTime": ("valueDateTime", "valueDate", "valueInstant"),
    "Reference": ("valueReference",),
    "Coding": ("valueCoding",),
    "CodeableConcept": ("valueCodeableConcept",),
    "resource": ("resource",),
    "parts": ("part",),
}


@dataclass(frozen=True, slots=True)
class Input:
    """An input that an operation declares; ``codes`` are all that it may be, where given."""

    name: str
    kind: Kind
    required: bool = False
    repeats: bool = False
    codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Given:
    """An input that came.

    ``value`` is a ``str``, ``int``, ``Decimal`` or ``bool`` by its kind, else a tree; of parts,
    each parameter by its name. ``place`` is its FHIRPath.
    """

    name: str
    value: Any
    place: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of one call, in the order in which they came."""

    given: tuple[Given, ...]

    def get(self, name: str) -> Any:
        """The value of an input that stands once, None where it did not come."""
        return next((each.value for each in self.given if each.name == name), None)

    def named(self, *names: str) -> tuple[Given, ...]:
        """All that came under these names, in order."""
        return tuple(each for each in self.given if each.name in names)


def read(
    declared: Sequence[Input], *, body: bytes = b"", query: Iterable[tuple[str, str]] = ()
) -> Inputs:
    """The inputs of a call.

    A body that is not Parameters is the operation's one resource. Raises ``invalid`` for text
    that cannot be read and ``unprocessable`` for what was read and is wrong, each with all issues.
    """
    known = {each.name: each for each in declared}
    reading = _Reading(known)
    for name, text in query:
        if name in known or not name.startswith("_"):
            reading.text(name, text)
    if body:
        reading.document(json.parse_resource(body))
    return reading.done()


def listed(tree: Tree) -> Sequence[Tree]:
    """The parameters of a Parameters resource; what is none is refused, with every problem."""
    if tree.get("resourceType") != "Parameters":
        raise _no_parameters()
    if problems := validation.check(_shell(tree), "Parameters"):
        raise AppError(Category.UNPROCESSABLE, problems)
    found: Sequence[Tree] = tree.get("parameter", ())
    return found


def _no_parameters() -> AppError:
    return AppError.of(Category.INVALID, "invalid", "the body must be Parameters")


def place_of(name: str) -> str:
    """Where an input of that name is or should be."""
    return f"Parameters.parameter.where(name='{name}')"


class _Reading:
    """The inputs as far as they have been read."""

    def __init__(self, declared: Mapping[str, Input]) -> None:
        self._declared = declared
        self._given: list[Given] = []
        self._issues: list[Issue] = []
        self._unreadable = False

    def text(self, name: str, text: str) -> None:
        """Takes in one pair of a query."""
        declared = self._known(name, "")
        if declared is None:
            return
        try:
            value = _TEXTS[declared.kind](text)
        except (KeyError, ValueError):
            self._unreadable = True
            self._refuse(declared, place_of(name))
        else:
            self._take(declared, value, place_of(name))

    def document(self, tree: Tree) -> None:
        """Takes in a Parameters resource, or the one resource that is asked for."""
        if tree.get("resourceType") != "Parameters":
            resources = [each for each in self._declared.values() if each.kind == "resource"]
            if len(resources) != 1:
                raise _no_parameters()
            self._take(resources[0], tree, "")
            return
        for number, parameter in enumerate(listed(tree)):
            self._parameter(parameter, f"Parameters.parameter[{number}]")

    def done(self) -> Inputs:
        """All of them, or every complaint."""
        came = {each.name for each in self._given}
        for each in self._declared.values():
            if each.required and each.name not in came and not self._complained(each.name):
                self._complain("required", f"{each.name} is needed", place_of(each.name))
        if self._issues:
            category = Category.INVALID if self._unreadable else Category.UNPROCESSABLE
            raise AppError(category, self._issues)
        return Inputs(tuple(self._given))

    def _parameter(self, parameter: Tree, place: str) -> None:
        declared = self._known(parameter["name"], place)
        if declared is None:
            return
        for key in _CARRIERS[declared.kind]:
            if key in parameter:
                value = _carried(declared, key, parameter[key])
                if value is not None:
                    self._take(declared, value, f"{place}.{_choice(key)}")
                    return
        self._refuse(declared, place)

    def _known(self, name: str, place: str) -> Input | None:
        declared = self._declared.get(name)
        if declared is None:
            self._complain("not-supported", f"the operation has no input {name}", place)
        return declared

    def _take(self, declared: Input, value: JSON, place: str) -> None:
        if declared.codes and value not in declared.codes:
            known = ", ".join(sorted(declared.codes))
            self._complain("code-invalid", f"{declared.name} is one of {known}", place)
            return
        if not declared.repeats and any(each.name == declared.name for each in self._given):
            self._complain("duplicate", f"{declared.name} may stand once", place)
            return
        self._given.append(Given(declared.name, value, place))

    def _refuse(self, declared: Input, place: str) -> None:
        article = "an" if declared.kind.startswith("integer") else "a"
        self._complain("value", f"{declared.name} must be {article} {declared.kind}", place)

    def _complain(self, code: str, diagnostics: str, place: str) -> None:
        self._issues.append(Issue(code, diagnostics, place))

    def _complained(self, name: str) -> bool:
        return any(issue.diagnostics.startswith(f"{name} ") for issue in self._issues)


def _shell(tree: Tree) -> Tree:
    """Parameters without the resources inside, which the operation judges itself."""
    parameters = tree.get("parameter")
    if not isinstance(parameters, list):
        return tree
    bare = [
        {"name": each.get("name"), "valueBoolean": True}
        if isinstance(each, dict) and isinstance(each.get("resource"), dict) and len(each) == 2
        else each
        for each in parameters
    ]
    return {**tree, "parameter": bare}


def _choice(key: str) -> str:
    return key if key in ("resource", "part") else "value"


def _carried(declared: Input, key: str, value: JSON) -> Any:
    """The value as the operation wants it, None where it has none."""
    if key == "valueCoding" and declared.kind == "code":
        return value.get("code")
    if declared.kind == "integer64":
        return int(value) if _LONG.fullmatch(str(value)) else None
    if declared.kind == "decimal":
        return json.to_decimal(value)
    if declared.kind == "parts":
        return {part["name"]: part for part in value}
    return value


def _as_whole(pattern: re.Pattern[str], text: str) -> int:
    if not pattern.fullmatch(text):
        raise ValueError("not a whole number")
    return int(text)


def _as_decimal(text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise ValueError("not a decimal")
    return Decimal(text)


def _as_date(text: str) -> str:
    # A plus sign in a query that was not encoded arrives as a space.
    text = text.replace(" ", "+")
    if not primitives.is_date_time(text):
        raise ValueError("not a dateTime")
    return text


def _as_text(text: str) -> str:
    if not primitives.is_string(text):
        raise ValueError("not a text")
    return text


_TEXTS: Mapping[Kind, Callable[[str], Any]] = {
    "code": _as_text,
    "string": _as_text,
    "uri": _as_text,
    "integer": partial(_as_whole, _INTEGER),
    "integer64": partial(_as_whole, _LONG),
    "decimal": _as_decimal,
    "boolean": {"true": True, "false": False}.__getitem__,
    "dateTime": _as_date,
    "Reference": lambda text: {"reference": _as_text(text)},
}


def text_of(parts: Tree, name: str) -> str | None:
    """The text of a part, None where it has none."""
    part = parts.get(name, {})
    text = value_of(part)
    return text if isinstance(text, str) else None


# -- outputs -------------------------------------------------------------------------------------


def parameters(*parts: Part | Iterable[Part]) -> Tree:
    """A Parameters resource; parts that are None are left out."""
    found = list(_flat(parts))
    return {"resourceType": "Parameters", **({"parameter": found} if found else {})}


def group(name: str, *parts: Part | Iterable[Part]) -> Part:
    """A parameter with parts."""
    found = list(_flat(parts))
    return {"name": name, "part": found} if found else None


def value(
    name: str, kind: Literal["canonical", "code", "string", "uri", "dateTime"], text: str | None
) -> Part:
    """A parameter whose value is text of some kind."""
    return None if text is None else {"name": name, f"value{kind[0].upper()}{kind[1:]}": text}


def integer(name: str, number: int | None) -> Part:
    """A whole number."""
    return None if number is None else {"name": name, "valueInteger": number}


def boolean(name: str, *, value: bool) -> Part:
    """A yes or no."""
    return {"name": name, "valueBoolean": value}


def decimal(name: str, number: Decimal | None) -> Part:
    """A decimal at up to ten places."""
    return None if number is None else {"name": name, "valueDecimal": exact(number)}


def reference(name: str, target: str | None) -> Part:
    """A reference to ``Type/id``."""
    return None if target is None else {"name": name, "valueReference": {"reference": target}}


@lru_cache(maxsize=8192)
def exact(number: Decimal) -> JSON:
    """A decimal as a JSON number at up to ten places, without trailing zeros."""
    rounded = number.quantize(_PRECISION, ROUND_HALF_EVEN)
    whole = rounded.to_integral_value()
    # As the parser would read it, so that what is made again is the same.
    return int(whole) if whole == rounded else json.number(format(rounded.normalize(), "f"))


def _flat(parts: Iterable[Part | Iterable[Part]]) -> Iterator[Tree]:
    for part in parts:
        if isinstance(part, dict):
            yield part
        elif part is not None:
            yield from _flat(part)
