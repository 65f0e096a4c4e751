"""Stored resources as trees: those that match criteria, or the one with an id."""

from __future__ import annotations

from collections.abc import Collection

from app.fhir import json
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY
from app.repositories.unit_of_work import UnitOfWork
from app.search import parser
from app.search.visibility import Visible


async def matching(
    uow: UnitOfWork,
    type_name: str,
    criteria: Collection[tuple[str, str]],
    *,
    visible: Visible,
    limit: int,
    base: str,
) -> list[Tree]:
    """The first ``limit`` resources that match search parameters (``code``, ``system|value``)."""
    query = parser.parse_criteria(type_name, criteria, base=base)
    found = await uow.searches.matches(query, visible=visible, limit=limit)
    return [json.parse_stored(each.text) for each in found]


async def current(uow: UnitOfWork, type_name: str, id: str | None, *, visible: Visible) -> Tree:
    """The current version; empty where there is none that can be seen, or it is deleted."""
    if id is None:
        return {}
    stored = await uow.resources.read(REGISTRY[type_name].code, id, visible=visible)
    return json.parse_stored(stored.text) if stored and not stored.deleted else {}
