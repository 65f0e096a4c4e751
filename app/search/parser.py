"""A query string to a ``SearchQuery``, with every complaint at once.

https://hl7.org/fhir/R4/search.html. What is not known is ignored, and said to be, unless the
client asked for strict handling; a modifier that is not supported and a value that cannot be
understood are always refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from app.core.errors import AppError, Category, Issue, Severity
from app.fhir.registry import REGISTRY, ResourceType
from app.search import links
from app.search.criteria import Criteria, Unknown
from app.search.escapes import escape
from app.search.expression import EVERYTHING, And, Compartment, Expression
from app.search.query import Include, SearchQuery, SortKey, Summary, Total
from app.search.types import Refused, Terminology
from app.search.types.special import NOT_OFFERED

__all__ = ["escape", "parse", "parse_criteria"]

MAX_CRITERIA = 200
MAX_SORT_KEYS = 8
# Said in the query, but not about the search.
_ELSEWHERE = frozenset(("_format", "_pretty"))
_NAME = re.compile(r"[A-Za-z_][\w:.\-]{0,99}", re.ASCII)


def parse(
    pairs: Iterable[tuple[str, str]],
    *,
    type_name: str | None,
    base: str,
    now: int,
    compartment: tuple[str, str] | None = None,
    strict: bool = False,
    count: int = 20,
    max_count: int = 1000,
    terminology: Terminology | None = None,
) -> SearchQuery:
    """The search of decoded query pairs.

    ``type_name`` None searches all ordinary types, or those that ``_type`` names;
    ``compartment`` is an owner's type and id; ``count`` and ``max_count`` the page size without
    and with ``_count``; ``now`` in microseconds. Raises ``invalid`` with every issue.
    """
    reading = _Reading(
        types=_types(type_name, compartment),
        criteria=Criteria(base, now, terminology),
        strict=strict,
        max_count=max_count,
        query=SearchQuery(kinds=(), count=count),
    )
    for name, value in pairs:
        reading.pair(name, value, several=type_name is None)
    owner = [] if compartment is None else [_owner(*compartment)]
    return reading.done(owner)


def parse_criteria(
    type_name: str, pairs: Iterable[tuple[str, str]], *, base: str, now: int = 0
) -> SearchQuery:
    """Criteria alone, as of a conditional interaction.

    Nothing is ignored: a condition that was half understood would match what was not meant.
    """
    reading = _Reading(
        types=[REGISTRY[type_name]],
        criteria=Criteria(base, now),
        strict=True,
        max_count=1,
        query=SearchQuery(kinds=()),
    )
    for name, value in pairs:
        if name in _RESULT or name.partition(":")[0] in ("_include", "_revinclude"):
            reading.complain(name, "has no place in a condition", code="not-supported")
        else:
            reading.pair(name, value, several=False)
    if not reading.deferred and not reading.issues:
        reading.complain("", "a condition needs at least one criterion", code="required")
    return reading.done([])


def _types(type_name: str | None, compartment: tuple[str, str] | None) -> list[ResourceType]:
    if type_name is not None:
        return [REGISTRY[type_name]]
    owner = compartment[0] if compartment else None
    return [
        entry
        for entry in REGISTRY.values()
        if entry.store == "resource"
        and (owner is None or owner == entry.name or owner in entry.compartments)
    ]


def _owner(type_name: str, id: str) -> Expression:
    return Compartment(REGISTRY[type_name].code, id)


@dataclass(slots=True)
class _Reading:
    """The search as far as it has been read."""

    types: list[ResourceType]
    criteria: Criteria
    strict: bool
    max_count: int
    query: SearchQuery
    where: list[Expression] = field(default_factory=list)
    deferred: list[tuple[str, str]] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    warnings: list[Issue] = field(default_factory=list)

    def pair(self, name: str, value: str, *, several: bool) -> None:
        """Takes in one parameter."""
        if not _is_text(name) or not _is_text(value):
            self.complain("", "a parameter holds characters that no text has", code="invalid")
        elif not value or name in _ELSEWHERE:
            return
        elif several and name == "_type":
            self._restrict(value)
        else:
            self.deferred.append((name, value))

    def done(self, owner: list[Expression]) -> SearchQuery:
        """The search, or every complaint about it."""
        if len(self.deferred) > MAX_CRITERIA:
            self.complain("", f"there are more than {MAX_CRITERIA} parameters", code="too-costly")
            self.deferred.clear()
        for name, value in self.deferred:
            try:
                if self._read(name, value):
                    self.query = replace(self.query, used=(*self.query.used, (name, value)))
            except Unknown:
                self.ignore(name, NOT_OFFERED.get(name, "is not known here"))
            except Refused as refusal:
                self.complain(name, str(refusal), code=refusal.code)
        if self.issues:
            raise AppError(Category.INVALID, self.issues)
        criteria = (*owner, *self.where)
        return replace(
            self.query,
            kinds=tuple(entry.code for entry in self.types),
            where=criteria[0] if len(criteria) == 1 else And(criteria) if criteria else EVERYTHING,
            warnings=tuple(self.warnings),
        )

    def complain(self, name: str, why: str, *, code: str) -> None:
        """An error, which names the parameter where that is a name and not a text."""
        self.issues.append(Issue(code, _said(name, why)))

    def ignore(self, name: str, why: str) -> None:
        """A warning, or an error under strict handling."""
        if self.strict:
            self.complain(name, why, code="not-supported")
        else:
            said = _said(name, f"{why}; it was ignored")
            self.warnings.append(Issue("not-supported", said, severity=Severity.WARNING))

    def _read(self, name: str, value: str) -> bool:
        code, _, modifier = name.partition(":")
        if code in ("_include", "_revinclude"):
            include = links.read(value, modifier)
            field_name = f"{code[1:]}s"
            known: tuple[Include, ...] = getattr(self.query, field_name)
            self._set(**{field_name: (*known, include)})
        elif name in _RESULT:
            _RESULT[name](self, value)
        else:
            criterion = self.criteria.read(self.types, name, value)
            if criterion is None:
                return False
            self.where.append(criterion)
        return True

    def _restrict(self, value: str) -> None:
        names = [name for name in value.split(",") if name]
        unknown = [name for name in names if name not in REGISTRY]
        if unknown:
            self.complain("_type", "names a type that is not served", code="not-supported")
        wanted = [entry for entry in self.types if entry.name in names]
        if len(names) == 1 and names[0] in REGISTRY and not wanted:
            wanted = [REGISTRY[names[0]]]  # of a store of its own, searched by itself
        self.types = wanted or self.types
        if not wanted and not unknown:
            self.complain(
                "_type", "names types that are searched one at a time", code="not-supported"
            )
        self.query = replace(self.query, used=(*self.query.used, ("_type", value)))

    def _set(self, **changes: Any) -> None:
        self.query = replace(self.query, **changes)

    def sort(self, value: str) -> None:
        """``_sort``: parameters, each with ``-`` where it descends."""
        keys = dict.fromkeys(text for text in value.split(",") if text)
        if len(keys) > MAX_SORT_KEYS:
            raise Refused(f"has more than {MAX_SORT_KEYS} keys", code="too-costly")
        sort: list[SortKey] = []
        for text in keys:
            code = text.removeprefix("-")
            parameter = self.types[0].search.get(code)
            several = len(self.types) > 1 and not code.startswith("_")
            if parameter is None or parameter.type in ("composite", "special") or several:
                self.ignore("_sort", "names what cannot be sorted by")
            elif all(key.code != code for key in sort):
                sort.append(SortKey(code, descending=text != code))
        self._set(sort=tuple(sort))

    def count(self, value: str) -> None:
        """``_count``: the page size, no more than the server gives."""
        if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII):
            raise Refused("is not a number of resources")
        self._set(count=min(int(value), self.max_count))

    def total(self, value: str) -> None:
        """``_total``."""
        self._set(total=_one_of(value, get_args(Total)))

    def summary(self, value: str) -> None:
        """``_summary``."""
        self._set(summary=_one_of(value, get_args(Summary)))

    def elements(self, value: str) -> None:
        """``_elements``."""
        self._set(elements=tuple(dict.fromkeys(t.strip() for t in value.split(",") if t.strip())))


_RESULT: Mapping[str, Callable[[_Reading, str], None]] = {
    "_sort": _Reading.sort,
    "_count": _Reading.count,
    "_total": _Reading.total,
    "_summary": _Reading.summary,
    "_elements": _Reading.elements,
}


def _one_of(value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise Refused(f"is not one of {', '.join(known)}")
    return value


def _is_text(text: str) -> bool:
    # A lone surrogate cannot be sent to a database, and PostgreSQL stores no NUL.
    return "\x00" not in text and not re.search("[\ud800-\udfff]", text)


def _said(name: str, why: str) -> str:
    return f"{name} {why}" if _NAME.fullmatch(name) else why
