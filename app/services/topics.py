"""What a Subscription may be about, as data, and which topics a stored version is told under.

R4 has no SubscriptionTopic resource, so the topics of ``definitions/subscription_topics.json`` are
known by their canonicals alone, which the CapabilityStatement lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import orjson

from app.fhir.json import Tree

_EXTENSION = "extension:"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: the type in its focus, when a version of it counts, how it may be filtered.

    ``filters`` are search parameters of the focus, a chain as it is written. A ``declared`` topic
    is told of by the server's own act.
    """

    code: str
    canonical: str
    version: str
    focus: str
    filters: tuple[str, ...]
    when: Mapping[str, tuple[str, ...]]
    has: str | None
    changes: tuple[str, ...]
    declared: bool

    def counts(self, before: Tree | None, now: Tree) -> bool:
        """Whether a version is told of; ``before`` is the one it follows, if that is there."""
        if any(now.get(name) not in values for name, values in self.when.items()):
            return False
        if self.has is not None and _element(now, _EXTENSION + self.has) is None:
            return False
        return before is None or any(
            _element(before, name) != _element(now, name) for name in self.changes
        )


@cache
def topics() -> Mapping[str, Topic]:
    """Every topic by its code."""
    text = resources.files("app.definitions").joinpath("subscription_topics.json").read_bytes()
    data = orjson.loads(text)
    return {
        each["code"]: Topic(
            code=each["code"],
            canonical=data["base"] + each["code"],
            version=data["version"],
            focus=each["focus"],
            filters=tuple(each["filters"]),
            when={name: tuple(values) for name, values in each.get("when", {}).items()},
            has=each.get("has"),
            changes=tuple(each.get("changes", ())),
            declared=each.get("declared", False),
        )
        for each in data["topics"]
    }


def named(canonical: str) -> Topic | None:
    """The topic with this canonical, with its version or without."""
    url, _, version = canonical.partition("|")
    found = next((each for each in topics().values() if each.canonical == url), None)
    return found if found is not None and version in ("", found.version) else None


def told(type_name: str, before: Tree | None, now: Tree) -> Iterable[Topic]:
    """The topics under which a new version is told of."""
    return [each for each in _of_type().get(type_name, ()) if each.counts(before, now)]


@cache
def _of_type() -> Mapping[str, tuple[Topic, ...]]:
    found: dict[str, tuple[Topic, ...]] = {}
    for each in topics().values():
        if not each.declared:
            found[each.focus] = (*found.get(each.focus, ()), each)
    return found


def _element(tree: Tree, name: str) -> Any:
    """An element by its name, or the extension with an address."""
    if not name.startswith(_EXTENSION):
        return tree.get(name)
    url = name.removeprefix(_EXTENSION)
    return next((each for each in tree.get("extension", ()) if each.get("url") == url), None)
