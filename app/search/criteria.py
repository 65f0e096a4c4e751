"""One criterion of a search: ``name[:modifier][.name…]=value[,value…]``.

https://hl7.org/fhir/R4/search.html#chaining and #has. A chain through a reference that may lead
to several types is the union over those that know the rest of the chain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from app.fhir.definitions import resource_types
from app.fhir.registry import REGISTRY, ResourceType, SearchParameter
from app.search import escapes
from app.search.expression import (
    EVERYTHING,
    NOTHING,
    Chain,
    Composite,
    Expression,
    Has,
    Ids,
    Missing,
    Not,
    Or,
    Param,
    Updated,
)
from app.search.parameters import TYPES
from app.search.types import Asked, Refused, Terminology, composite, date

MAX_DEPTH = 5
MAX_VALUES = 10_000
# Values that no list in one bound parameter can carry, as ranges.
MAX_TESTS = 500
# Types that the chains of a search may lead through: each is a row source of its own.
MAX_TARGETS = 64


class Unknown(LookupError):
    """No parameter of this name: ignored, or refused under strict handling."""


class NotAReference(Refused):
    """A chain that leads over something else; where it is ambiguous, other types may fit."""


@dataclass(slots=True)
class Criteria:
    """Reads criteria; ``tests`` and ``targets`` are how many the whole search may still have."""

    base: str
    now: int
    terminology: Terminology | None = None
    tests: int = 2 * MAX_TESTS
    targets: int = MAX_TARGETS

    def read(
        self, types: Sequence[ResourceType], name: str, value: str, *, depth: int = 0
    ) -> Expression | None:
        """What a criterion asks of rows of these types; None where its value is empty.

        Raises ``Unknown`` where a name in it is not known and ``Refused`` where it is wrong.
        """
        if depth > MAX_DEPTH:
            raise Refused(f"goes over more than {MAX_DEPTH} references", code="too-costly")
        if name.startswith("_has:"):
            return self._has(types, name, value, depth)
        head, dot, rest = name.partition(".")
        code, colon, modifier = head.partition(":")
        parameter = _parameter(types, code)
        if dot:
            found = self._targets(parameter, modifier, rest, value, depth=depth + 1)
            return Chain(types[0].code, code, found) if found else None
        if colon and not modifier:
            raise Refused("has an empty modifier", code="not-supported")
        texts = [text for text in escapes.split(value, ",") if text]
        if not texts:
            return None
        if len(texts) > MAX_VALUES:
            raise Refused(f"has more than {MAX_VALUES} values", code="too-costly")
        return self._leaf(types[0], parameter, modifier, texts)

    def _has(
        self, types: Sequence[ResourceType], name: str, value: str, depth: int
    ) -> Expression | None:
        parts = name.split(":", 3)
        if len(parts) < 4 or not all(parts):
            raise Refused("is not of the form _has:Type:reference:parameter")
        _, source, code, rest = parts
        if source not in REGISTRY:
            if source in resource_types():
                raise Unknown
            raise Refused("names no resource type")
        parameter = _parameter([REGISTRY[source]], code)
        if parameter.type != "reference":
            raise Refused("goes over a parameter that is not a reference")
        where = self.read([REGISTRY[source]], rest, value, depth=depth + 1)
        if where is None:
            return None
        if parameter.targets and not any(t.name in parameter.targets for t in types):
            return NOTHING
        return Has(REGISTRY[source].code, code, where)

    def _targets(
        self, parameter: SearchParameter, type_name: str, rest: str, value: str, *, depth: int
    ) -> tuple[tuple[int, Expression], ...]:
        """What the rest of a chain asks of each type that the reference may lead to."""
        if parameter.type != "reference":
            raise NotAReference("goes over a parameter that is not a reference")
        if type_name and type_name not in resource_types():
            raise Refused("names no resource type", code="not-supported")
        names: Iterable[str] = (type_name,) if type_name else parameter.targets or REGISTRY
        found: list[tuple[int, Expression | None]] = []
        following = re.split(r"[.:]", rest, maxsplit=1)[0]
        for name in names:
            if name in REGISTRY and following in (*REGISTRY[name].search, "_has"):
                self._spend_target()
                with suppress(Unknown, NotAReference):
                    where = self.read([REGISTRY[name]], rest, value, depth=depth)
                    found.append((REGISTRY[name].code, where))
        if not found:
            raise Unknown
        return tuple((kind, where) for kind, where in found if where is not None)

    def _leaf(
        self, type_: ResourceType, parameter: SearchParameter, modifier: str, texts: list[str]
    ) -> Expression:
        if modifier == "missing":
            return _missing(type_, parameter, texts)
        if parameter.code == "_id" and modifier in ("", "not"):
            ids = Ids(tuple(dict.fromkeys(map(escapes.unescape, texts))))
            return Not(ids) if modifier else ids
        if parameter.code == "_lastUpdated" and not modifier:
            return self._within_limits(Updated(date.tests(texts, self.now)))
        asked = Asked(type_.code, parameter, self.base, self.now, self.terminology)
        if parameter.type == "composite":
            _check(modifier, frozenset())
            return self._within_limits(composite.read(texts, asked, self._component(asked)))
        _check(modifier, TYPES[parameter.type].MODIFIERS)
        return self._within_limits(TYPES[parameter.type].read(texts, modifier, asked))

    def _component(self, asked: Asked) -> composite.ReadComponent:
        def read(which: int, text: str) -> Expression:
            component = asked.parameter.components[which]
            code = f"{asked.parameter.code}${which}"  # as its index rows are numbered
            part = SearchParameter(code, component.type, component.expression, (), (), "")
            of_part = Asked(asked.kind, part, self.base, self.now)
            return TYPES[component.type].read([text], "", of_part)

        return read

    def _spend_target(self) -> None:
        self.targets -= 1
        if self.targets < 0:
            raise Refused("may lead to too many types: say which", code="too-costly")

    def _within_limits(self, node: Expression) -> Expression:
        self.tests -= _tests(node)
        if _tests(node) > MAX_TESTS or self.tests < 0:
            raise Refused("asks for too many values of this kind", code="too-costly")
        return node


def _parameter(types: Sequence[ResourceType], code: str) -> SearchParameter:
    found = types[0].search.get(code)
    # Types are searched together by what they all have.
    if found is None or (len(types) > 1 and not code.startswith("_")):
        raise Unknown
    return found


def _missing(type_: ResourceType, parameter: SearchParameter, texts: list[str]) -> Expression:
    if texts not in (["true"], ["false"]):
        raise Refused("must be true or false")
    is_missing = texts == ["true"]
    if parameter.code in ("_id", "_lastUpdated"):
        return NOTHING if is_missing else EVERYTHING
    node = Missing(type_.code, parameter.code, parameter.type)
    return node if is_missing else Not(node)


def _check(modifier: str, known: frozenset[str]) -> None:
    if modifier and modifier not in known:
        raise Refused("has a modifier that is not supported here", code="not-supported")


def _tests(node: Expression) -> int:
    match node:
        case Param() | Updated():
            return len(node.tests)
        case Composite():
            return len(node.alternatives) * len(node.types)
        case Not(item):
            return _tests(item)
        case Or(items):
            return sum(map(_tests, items))
        case _:
            return 1
