"""What a bulk export may be asked for: https://hl7.org/fhir/uv/bulkdata/export#query-parameters.

What is not known here is refused, or under lenient handling left aside and told with the files.
What would narrow the export is never left aside: nobody gets more than was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from app.core.errors import AppError, Category, Issue
from app.fhir import json, parameters, primitives, references
from app.fhir.elements import value_of
from app.fhir.registry import REGISTRY
from app.interactions import criteria
from app.interactions.call import Call, Pairs
from app.search.hidden import asks_for_hidden
from app.search.parser import parse_criteria
from app.security.exporting import TYPES
from app.services.export_asked import OF_PATIENTS

FORMATS = frozenset(("application/fhir+ndjson", "application/ndjson", "ndjson"))
# A comma within a query is part of it; one before the next query is not.
_BETWEEN_QUERIES = re.compile(r",(?=[A-Z][A-Za-z]+\?)")
_ELEMENT = re.compile(r"(?:[A-Z][A-Za-z]+\.)?[a-z][A-Za-z]*", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][\w\-]{0,40}", re.ASCII)


@dataclass(slots=True)
class Parameters:
    """The parameters as they were understood; ``types`` are empty where none were named."""

    types: tuple[str, ...] = ()
    since: str | None = None
    patients: tuple[str, ...] | None = None
    filters: tuple[tuple[str, Pairs], ...] = ()
    elements: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def read(call: Call, *, base: str, now: int) -> Parameters:
    """The parameters of a kick-off; raises ``invalid`` with every complaint."""
    reading = _Reading(call, base, now)
    if not call.respond_async:
        reading.complain("required", "an export is asked for with Prefer: respond-async")
    for name, value in _given(call):
        reading.take(name, value)
    return reading.done()


def patient(reference: object, *, base: str) -> str | None:
    """The id of the Patient that a reference names, None where it names something else."""
    found = references.parse(reference, base=base) if isinstance(reference, str) else None
    return found.id if found and found.is_local and found.type == "Patient" else None


def _given(call: Call) -> Iterator[tuple[str, object]]:
    yield from call.query
    if not call.body:
        return
    for parameter in parameters.listed(json.parse_resource(call.body)):
        yield parameter["name"], value_of(parameter)


@dataclass(slots=True)
class _Reading:
    """The parameters as far as they have been read."""

    call: Call
    base: str
    now: int
    found: Parameters = field(default_factory=Parameters)
    issues: list[Issue] = field(default_factory=list)

    def take(self, name: str, value: object) -> None:
        """Takes in one parameter."""
        if name == "patient":
            self._patient(value)
        elif name not in _READ:
            self._leave(f"{name if _NAME.fullmatch(name) else 'a parameter'} is not supported")
        elif not isinstance(value, str) or not value:
            self.complain("value", f"{name} must be a text")
        else:
            _READ[name](self, value)

    def done(self) -> Parameters:
        """All of them, or every complaint."""
        exported = self.found.types or self._offered()
        for name in dict.fromkeys(name for name, _ in self.found.filters):
            if name not in exported:
                self.complain("value", f"_typeFilter is about {name}, which is not exported")
        if self.issues:
            raise AppError(Category.INVALID, self.issues)
        return self.found

    def complain(self, code: str, text: str) -> None:
        """One problem more."""
        self.issues.append(Issue(code, text))

    def _leave(self, text: str) -> None:
        if self.call.lenient:
            self.found.ignored = (*self.found.ignored, f"{text}; it was ignored")
        else:
            self.complain("not-supported", text)

    def _offered(self) -> tuple[str, ...]:
        return tuple(t for t in TYPES if self.call.type is None or t in OF_PATIENTS)

    def _patient(self, value: object) -> None:
        text = value.get("reference") if isinstance(value, dict) else None
        id = patient(text, base=self.base)
        if self.call.type is None or not self.call.body:
            self.complain("not-supported", "patient goes with POST and an export of patients")
        elif id is None:
            self.complain("value", "patient must be a Reference to a Patient")
        else:
            self.found.patients = (*(self.found.patients or ()), id)

    def format(self, value: str) -> None:
        """``_outputFormat``."""
        if value.replace(" ", "+") not in FORMATS:
            self.complain("not-supported", "_outputFormat is application/fhir+ndjson")

    def since(self, value: str) -> None:
        """``_since``."""
        text = value.replace(" ", "+")
        if not primitives.is_date_time(text) or self.found.since is not None:
            self.complain("value", "_since must be one instant")
        self.found.since = text

    def types(self, value: str) -> None:
        """``_type``."""
        for name in filter(None, value.split(",")):
            if name in self._offered():
                self.found.types = tuple(dict.fromkeys((*self.found.types, name)))
            else:
                known = name in REGISTRY
                self.complain(
                    "not-supported",
                    f"_type names {name if known else 'a type'}, which is not exported here",
                )

    def elements(self, value: str) -> None:
        """``_elements``."""
        for name in filter(None, map(str.strip, value.split(","))):
            if _ELEMENT.fullmatch(name):
                self.found.elements = (*self.found.elements, name)
            else:
                self.complain("value", "_elements must be names of elements")

    def filters(self, value: str) -> None:
        """``_typeFilter``: searches of one type each, without what would shape an answer."""
        for query in _BETWEEN_QUERIES.split(value):
            name, _, text = query.partition("?")
            if name not in REGISTRY or not text:
                self.complain("value", "_typeFilter must be searches: Type?name=value")
                continue
            try:
                pairs = tuple(pair for pair in criteria.pairs(text) if pair[1])
                where = parse_criteria(name, pairs, base=self.base, now=self.now).where
            except AppError as refusal:
                self.issues.extend(
                    Issue(issue.code, f"_typeFilter of {name}: {issue.diagnostics}")
                    for issue in refusal.issues
                )
                continue
            if asks_for_hidden(where):
                self.complain(
                    "too-costly",
                    f"_typeFilter of {name}: this is not indexed for confidential data",
                )
            self.found.filters = (*self.found.filters, (name, pairs))


_READ: Mapping[str, Callable[[_Reading, str], None]] = {
    "_outputFormat": _Reading.format,
    "_since": _Reading.since,
    "_type": _Reading.types,
    "_typeFilter": _Reading.filters,
    "_elements": _Reading.elements,
}
