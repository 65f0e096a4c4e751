"""The server's own operations, as OperationDefinitions: what each takes and gives.

https://hl7.org/fhir/R4/operationdefinition.html. They are data, served to everyone, and the one
place that says which inputs an operation has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files

from app.fhir.json import Tree, parse_resource
from app.fhir.parameters import Input, Kind
from app.services.instruments import BASE

_KINDS: Mapping[str, Kind] = {
    "code": "code",
    "string": "string",
    "uri": "uri",
    "canonical": "uri",
    "integer": "integer",
    "decimal": "decimal",
    "boolean": "boolean",
    "dateTime": "dateTime",
    "Reference": "Reference",
    "Coding": "Coding",
    "CodeableConcept": "CodeableConcept",
}


def shipped() -> Iterator[Tree]:
    """Every definition; each one new, so the caller may change it."""
    folder = files("app.definitions") / "operations"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        yield parse_resource(file.read_bytes())


def canonical(code: str) -> str:
    """The address of an operation's definition."""
    return f"{BASE}/OperationDefinition/{code}"


def inputs(code: str, **codes: Iterable[str]) -> tuple[Input, ...]:
    """What an operation takes; ``codes`` are all that an input of that name may be."""
    return tuple(
        replace(each, codes=frozenset(map(str, codes[each.name]))) if each.name in codes else each
        for each in _inputs(code)
    )


@cache
def _inputs(code: str) -> tuple[Input, ...]:
    definition = next(each for each in shipped() if each["code"] == code)
    return tuple(
        Input(
            name=each["name"],
            kind=_KINDS.get(each["type"], "resource"),
            required=each["min"] > 0,
            repeats=each["max"] == "*",
        )
        for each in definition["parameter"]
        if each["use"] == "in"
    )
