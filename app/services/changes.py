"""A change to one resource, before it is stored."""

from __future__ import annotations

from dataclasses import dataclass

from app.fhir.json import Tree
from app.fhir.registry import Interaction
from app.repositories.resources import StoredVersion
from app.services.labels import NONE, Labels


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
