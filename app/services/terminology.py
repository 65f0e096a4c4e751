"""The code systems and value sets that a caller can use: the clinic's own, then HL7's."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.errors import AppError, Category
from app.fhir import json
from app.fhir import terminology as fhir
from app.fhir.json import Tree
from app.fhir.terminology import CodeSystem, Member
from app.repositories.unit_of_work import UnitOfWork
from app.search import parser
from app.search.escapes import escape
from app.search.visibility import Visible

_MOST = 500


class Terminology:
    """Finds and computes."""

    def __init__(self, *, base: str) -> None:
        self._base = base

    async def value_set(self, uow: UnitOfWork, canonical: str, *, visible: Visible) -> Tree | None:
        """The value set at ``url`` or ``url|version``; the newest where no version is named."""
        return await self.canonical(uow, "ValueSet", canonical, visible=visible)

    async def code_system(
        self, uow: UnitOfWork, canonical: str, *, visible: Visible
    ) -> CodeSystem | None:
        """The same of a code system, if it comes with its concepts."""
        tree = await self.canonical(uow, "CodeSystem", canonical, visible=visible)
        whole = tree is not None and tree.get("content") in ("complete", "example", "fragment")
        return fhir.code_system(tree) if tree is not None and whole else None

    async def members(
        self, uow: UnitOfWork, value_set: Tree, *, visible: Visible
    ) -> Sequence[Member]:
        """The expansion of a value set, with all that it names."""
        systems: dict[str, CodeSystem | None] = {}
        others: dict[str, Tree | None] = {}
        waiting = [value_set]
        while waiting:
            named_systems, named_sets = fhir.needs(waiting.pop())
            for canonical in named_systems:
                if canonical not in systems:
                    systems[canonical] = await self.code_system(uow, canonical, visible=visible)
            for canonical in named_sets:
                if canonical not in others:
                    found = await self.value_set(uow, canonical, visible=visible)
                    others[canonical] = found
                    waiting.extend([found] if found is not None else [])
            if len(systems) + len(others) > _MOST:
                raise AppError.of(
                    Category.UNPROCESSABLE, "too-costly", "the value set names too many others"
                )
        return fhir.expand(value_set, system=systems.get, other=others.get)

    async def canonical(
        self, uow: UnitOfWork, type_name: str, canonical: str, *, visible: Visible
    ) -> Tree | None:
        """The definition at ``url`` or ``url|version``."""
        url, _, version = canonical.partition("|")
        if not url:
            return None
        criteria = [("url", escape(url))]
        if version:
            criteria.append(("version", escape(version)))
        query = parser.parse_criteria(type_name, criteria, base=self._base)
        found = await uow.searches.matches(query, visible=visible, limit=_MOST)
        if found:
            newest = max(found, key=lambda each: (each.updated, each.rid))
            return json.parse_resource(newest.text)
        known = fhir.packaged(type_name, url)
        return known if known and version in ("", known.get("version")) else None
