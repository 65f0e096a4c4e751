"""SMART scopes, parsed once and never compared as texts.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html. A resource scope is
``(patient|user|system)/(Type|*).cruds`` with letters in that order and an optional query of
plain search parameters, or its version 1 form ``.read``, ``.write``, ``.*``. One request does
not mix the versions, and what was asked in version 1 is answered in version 1. A scope only
delegates: what it allows is still narrowed by the role.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, unquote

from app.core.errors import AppError, Category

ACTIONS: Final = "cruds"
ADMIN: Final = "rapport/admin"  # this server's own: clients and people of the clinic
CONTEXTS: Final = ("patient", "user", "system")
PLAIN: Final = frozenset(
    {
        "openid", "fhirUser", "profile", "launch", "launch/patient", "launch/encounter",
        "offline_access", "online_access", ADMIN,
    }
)  # fmt: skip
MAX_SCOPE_TEXT: Final = 8192

_RESOURCE = re.compile(
    r"(?P<context>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]{1,63})"
    r"\.(?P<actions>read|write|\*|c?r?u?d?s?)(?:\?(?P<query>[!#-\[\]-~]+))?"
)
_PARAMETER = re.compile(r"_?[a-z][A-Za-z0-9-]*")
_IGNORED = re.compile(r"[a-z_]{1,64}")  # another profile's scope, such as "email": not ours
_V1: Final = {"read": "rs", "write": "cud", "*": "cruds"}
_V1_NAMES: Final = {actions: name for name, actions in _V1.items()}
_RESULT_PARAMETERS: Final = frozenset(
    {
        "_include", "_revinclude", "_has", "_filter", "_sort", "_count", "_total", "_summary",
        "_elements", "_contained", "_query", "_text", "_content", "_list", "_type", "_format",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ResourceScope:
    """One resource scope: ``actions`` are letters of ``cruds`` in order; constraints are ANDed."""

    context: str
    type: str
    actions: str
    constraints: tuple[tuple[str, str], ...] = ()

    def covers(self, type_name: str, action: str) -> bool:
        """Whether it speaks of this type and action."""
        return self.type in ("*", type_name) and action in self.actions

    def text(self, *, version: int = 2) -> str:
        """Its text; version 1 only where that can say it."""
        if version == 1 and not self.constraints and self.actions in _V1_NAMES:
            return f"{self.context}/{self.type}.{_V1_NAMES[self.actions]}"
        query = "&".join(f"{name}={quote(value, safe=_SAFE)}" for name, value in self.constraints)
        return f"{self.context}/{self.type}.{self.actions}" + (f"?{query}" if query else "")


_SAFE: Final = ":/|,.~-_@!$*();"


@dataclass(frozen=True, slots=True)
class Scopes:
    """A set of scopes, in the order in which they were asked for."""

    resources: tuple[ResourceScope, ...] = ()
    plain: tuple[str, ...] = ()
    version: int = 2

    def __contains__(self, name: str) -> bool:
        """Whether a plain scope, such as ``openid``, is among them."""
        return name in self.plain

    def __bool__(self) -> bool:
        return bool(self.resources or self.plain)

    def __str__(self) -> str:
        """The canonical text, as in a token answer."""
        resources = (scope.text(version=self.version) for scope in self.resources)
        return " ".join([*self.plain, *resources])

    def allows(self, type_name: str, action: str) -> bool:
        """Whether some scope speaks of this type and action, its constraints left aside."""
        return any(scope.covers(type_name, action) for scope in self.resources)

    def covering(self, type_name: str, action: str) -> Iterator[ResourceScope]:
        """The scopes that speak of this type and action."""
        return (scope for scope in self.resources if scope.covers(type_name, action))

    def needs_patient(self) -> bool:
        """Whether a patient must be in context before they may be granted."""
        return "launch/patient" in self or any(s.context == "patient" for s in self.resources)

    def without_patient(self) -> Scopes:
        """What is left where no patient is in context."""
        return replace(
            self,
            resources=tuple(scope for scope in self.resources if scope.context != "patient"),
            plain=tuple(name for name in self.plain if name != "launch/patient"),
        )

    def intersect(self, other: Scopes) -> Scopes:
        """What both allow, in this one's order and version."""
        resources = [
            both
            for mine in self.resources
            for theirs in other.resources
            if (both := _both(mine, theirs)) is not None
        ]
        return Scopes(
            tuple(_without_repeats(resources)),
            tuple(name for name in self.plain if name in other.plain),
            self.version,
        )

    def narrowed(self, allowed: Callable[[str], str]) -> Scopes:
        """Keeps the actions that ``allowed(type)`` names; ``*`` asks for the most any type has."""
        resources = []
        for scope in self.resources:
            within = allowed(scope.type)
            actions = "".join(action for action in scope.actions if action in within)
            if actions:
                resources.append(replace(scope, actions=actions))
        return replace(self, resources=tuple(_without_repeats(resources)))


def parse(text: str, *, types: Container[str]) -> Scopes:
    """The scopes of a space-separated text, every complaint at once.

    Repeats are tolerated and plain words of other profiles (``email``) are left out; anything
    else that is not exactly a scope raises ``invalid``. ``types`` are the served types.
    """
    if len(text) > MAX_SCOPE_TEXT:
        raise _invalid("the scope is too long")
    resources: list[ResourceScope] = []
    plain: list[str] = []
    versions: set[int] = set()
    complaints: list[str] = []
    for word in dict.fromkeys(text.split(" ")):
        if word in PLAIN:
            plain.append(word)
        elif match := _RESOURCE.fullmatch(word):
            complaint = _complaint(match, types)
            if complaint:
                complaints.append(complaint)
                continue
            versions.add(1 if match["actions"] in _V1 else 2)
            resources.append(_resource(match))
        elif word and not _IGNORED.fullmatch(word):
            complaints.append("not a SMART scope")
    if len(versions) > 1:
        complaints.append("scopes of version 1 and version 2 in one request")
    if complaints:
        raise _invalid("; ".join(dict.fromkeys(complaints)))
    return Scopes(
        tuple(_without_repeats(resources)), tuple(plain), version=min(versions, default=2)
    )


def _complaint(match: re.Match[str], types: Container[str]) -> str:
    if not match["actions"]:
        return "a scope without an action"
    if match["type"] != "*" and match["type"] not in types:
        return "a scope for a type that is not served"
    if match["query"] is None:
        return ""
    if match["actions"] in _V1:
        return "a scope of version 1 with a query"
    if match["type"] == "*":
        return "a scope for every type with a query"
    for pair in match["query"].split("&"):
        name, equals, value = pair.partition("=")
        if not equals or not value or not _PARAMETER.fullmatch(name):
            return "a scope whose query is not plain parameters"
        if name in _RESULT_PARAMETERS:
            return "a scope whose query has a parameter that is no filter"
    return ""


def _resource(match: re.Match[str]) -> ResourceScope:
    pairs = match["query"].split("&") if match["query"] else []
    constraints = tuple(
        (name, unquote(value)) for name, _, value in (pair.partition("=") for pair in pairs)
    )
    actions = _V1.get(match["actions"], match["actions"])
    return ResourceScope(match["context"], match["type"], actions, tuple(sorted(set(constraints))))


def _both(mine: ResourceScope, theirs: ResourceScope) -> ResourceScope | None:
    if mine.context != theirs.context or not (
        "*" in (mine.type, theirs.type) or mine.type == theirs.type
    ):
        return None
    actions = "".join(a for a in ACTIONS if a in mine.actions and a in theirs.actions)
    if not actions:
        return None
    return ResourceScope(
        mine.context,
        theirs.type if mine.type == "*" else mine.type,
        actions,
        tuple(sorted({*mine.constraints, *theirs.constraints})),
    )


def _without_repeats(scopes: Iterable[ResourceScope]) -> Iterator[ResourceScope]:
    return iter(dict.fromkeys(scopes))


def _invalid(reason: str) -> AppError:
    return AppError.of(Category.INVALID, "value", f"invalid scope: {reason}")
