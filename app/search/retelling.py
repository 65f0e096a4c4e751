"""How the audit log tells what was searched for: without the values that the index does not show.

``definitions/index.json`` names the types and the tokens that are answers. What a parameter is
called is told, what nobody knows is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import unquote_plus

from app.fhir.audit.event import LEFT_OUT
from app.fhir.registry import REGISTRY, SearchParameter
from app.search import secrecy

_SHAPING = frozenset(
    (
        "_at", "_count", "_cursor", "_elements", "_format", "_id", "_include", "_lastUpdated",
        "_outputFormat", "_pretty", "_profile", "_revinclude", "_security", "_since", "_sort",
        "_source", "_summary", "_tag", "_total", "_type",
    )
)  # fmt: skip
# Of an operation's inputs: a reference or address, and a date.
_NAMED = re.compile(r"[A-Z][A-Za-z]+/[\w.\-]+|https?://\S+|\d{4}(-\d\d){0,2}", re.ASCII)
_INPUT = re.compile(r"[a-z][A-Za-z\-]{0,30}", re.ASCII)


def retold(target: str, form: str) -> tuple[str, str]:
    """An address (path and query) and the form of a POST search, as the log tells them."""
    path, mark, query = target.partition("?")
    segments = path.split("/")
    if "fhir" not in segments:
        return target, form
    if any(segment.startswith("$") for segment in segments):
        return path + mark + _joined(query, None, operation=True), form and LEFT_OUT
    searched = next((each for each in reversed(segments) if each in REGISTRY), None)
    return path + mark + _joined(query, searched), _joined(form, searched)


def _joined(query: str, type_name: str | None, *, operation: bool = False) -> str:
    return "&".join(_pair(each, type_name, operation=operation) for each in query.split("&"))


def _pair(text: str, type_name: str | None, *, operation: bool) -> str:
    name, sign, value = text.partition("=")
    if not text:
        return text
    told = unquote_plus(name)
    if operation:
        known = told in _SHAPING or _INPUT.fullmatch(told) is not None
        shown = told in _SHAPING or _NAMED.fullmatch(unquote_plus(value)) is not None
    else:
        known, shown = _by_name(told, type_name)
    return f"{name if known else LEFT_OUT}{sign}{value if shown else LEFT_OUT}"


@lru_cache(maxsize=1024)  # programs ask the same each time
def _by_name(name: str, type_name: str | None) -> tuple[bool, bool]:
    """Whether a search parameter is known, and whether its values are told."""
    found = list(_meant(name, type_name))
    known = name.partition(":")[0] in _SHAPING or bool(found)
    return known, known and not any(found)


def _meant(name: str, type_name: str | None) -> Iterator[bool]:
    """For every parameter that a name may mean, whether its values are left out."""
    while name.startswith("_has:"):
        _, type_name, _, name = [*name.split(":", 3), "", ""][:4]
    _, dot, last = name.rpartition(".")
    code, _, modifier = last.partition(":")
    for other, entry in REGISTRY.items():
        if code in entry.search and (dot or type_name is None or other == type_name):
            yield secrecy.is_confidential(entry.code) and _is_left_out(entry.search[code], modifier)


def _is_left_out(parameter: SearchParameter, modifier: str) -> bool:
    return (
        parameter.type in ("string", "number", "quantity", "composite", "special")
        or modifier in ("text", "identifier")
        or parameter.code in secrecy.answers()
    )
