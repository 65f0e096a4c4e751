"""The search parameter types by name, and the numbers of their index rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from app.fhir.paths.shapes import shape
from app.fhir.registry import by_code, param_id
from app.search.types import ParameterType, date, number, quantity, reference, string, token, uri

TYPES: Mapping[str, ParameterType] = {
    "date": date,
    "number": number,
    "quantity": quantity,
    "reference": reference,
    "string": string,
    "token": token,
    "uri": uri,
}
# Every type has these, so they are one parameter over all types.
COMMON = "Resource"


@cache
def index_number(kind: int, code: str, index: str = "") -> int:
    """What names the index rows of a parameter, its side index or its component (``$0``)."""
    owner = COMMON if code.startswith("_") else by_code(kind).name
    return param_id(owner, code + index)


@cache
def is_single(kind: int, code: str) -> bool:
    """Whether the parameter is an element of its type that does not repeat."""
    entry = by_code(kind)
    match = re.fullmatch(rf"{entry.name}\.(\w+)", entry.search[code].expression)
    if match is None:
        return False
    slots = shape(entry.name).elements[match[1]].values()
    return all(not slot.repeats for slot in slots)
