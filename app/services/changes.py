"""A change to one resource, before it is stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from app.fhir import json
from app.fhir.json import Tree
from app.fhir.registry import Interaction
from app.repositories.resources import StoredVersion
from app.repositories.unit_of_work import UnitsOfWork
from app.services.labels import NONE, Labels

# What a reaction leaves to be done once its own work is durable, such as telling somebody.
Afterwards: TypeAlias = Callable[[UnitsOfWork], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of one resource.

    ``text`` is the JSON as the client wrote it and ``tree`` the same parsed; a rule that
    alters the content replaces both. ``previous`` is the version it follows; ``inherited`` are
    the labels of what it is made from.
    """

    type: str
    id: str
    text: bytes
    tree: Tree
    previous: StoredVersion | None
    interaction: Interaction
    inherited: Labels = NONE


def content_of(stored: StoredVersion | None) -> Tree:
    """What a version says: nothing where there is none, or it is a deletion."""
    if stored is None or stored.deleted:
        return {}
    return json.parse_stored(stored.text)


@dataclass(frozen=True, slots=True)
class Kept:
    """A change that was stored: as it came, as the rules made it, and what it became.

    ``changed`` tells that it made a version: equal content makes none.
    """

    given: Change
    change: Change
    stored: StoredVersion
    changed: bool
