"""The measurement definitions of a tenant: scoring keys, rules, norms, expected trajectories.

A definition is read from its Library once for each version that was stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog

from app.core.errors import AppError
from app.domain.expected import Table, table
from app.domain.rupture import RuleSet, rule_set
from app.domain.safety import SafetyRules, safety_rules
from app.domain.scoring import ScoringKey, scoring_key
from app.fhir import json
from app.fhir.json import Tree
from app.repositories.recall import Recall
from app.repositories.unit_of_work import UnitOfWork
from app.search import parser
from app.search.found import Found
from app.search.visibility import Visible
from app.services.changes import Change
from app.services.instruments import KIND_SYSTEM, definition_in
from app.services.published import is_measure

log = structlog.get_logger("rapport.definitions")

T = TypeVar("T")

_KEPT = 1024
_MOST = 1000
_READERS: Mapping[str, Callable[[Tree], Any]] = {
    "scoring-key": scoring_key,
    "rupture-rules": rule_set,
    "safety-rules": safety_rules,
    "expected-trajectory": table,
}


class Definitions:
    """Finds and reads definitions."""

    def __init__(self, *, base: str) -> None:
        self._base = base
        self._read = {kind: Recall(partial(_read, kind=kind), most=_KEPT) for kind in _READERS}

    def check(self, change: Change) -> Change:
        """Refuses a definition that could not be used."""
        if is_measure(change.tree):
            definition = definition_in(change.tree)
            read = _READERS.get(definition["kind"])
            if read is not None:
                read(definition)
        return change

    async def scoring_keys(
        self, uow: UnitOfWork, *, tenant: int, questionnaire: str = ""
    ) -> Sequence[ScoringKey]:
        """The keys of a questionnaire (``url|version``) in use; all there ever were without one."""
        criteria = [("depends-on", questionnaire), ("status", "active")] if questionnaire else []
        return await self._all(uow, "scoring-key", ScoringKey, criteria, tenant=tenant)

    async def top_scales(self, uow: UnitOfWork, *, tenant: int) -> Sequence[str]:
        """The scales that sum up an instrument."""
        keys = await self.scoring_keys(uow, tenant=tenant)
        return sorted({key.scales[-1].code for key in keys if key.scales})

    async def unvalidated(self, uow: UnitOfWork, *, tenant: int) -> frozenset[str]:
        """The instruments that have not been validated."""
        keys = await self.scoring_keys(uow, tenant=tenant)
        return frozenset(key.instrument for key in keys if not key.validated)

    async def rule_sets(self, uow: UnitOfWork, *, tenant: int) -> Sequence[RuleSet]:
        """The live rules in use."""
        criteria = [("status", "active")]
        return await self._all(uow, "rupture-rules", RuleSet, criteria, tenant=tenant)

    async def expectations(self, uow: UnitOfWork, *, tenant: int) -> Sequence[Table]:
        """The expected trajectories in use."""
        criteria = [("status", "active")]
        return await self._all(uow, "expected-trajectory", Table, criteria, tenant=tenant)

    async def safety_rules(
        self, uow: UnitOfWork, questionnaire: str, *, tenant: int
    ) -> Sequence[SafetyRules]:
        """The safety rules of a questionnaire (``url|version``) in use."""
        criteria = [("depends-on", questionnaire), ("status", "active")]
        return await self._all(uow, "safety-rules", SafetyRules, criteria, tenant=tenant)

    async def _all(
        self,
        uow: UnitOfWork,
        kind: str,
        shape: type[T],
        criteria: Sequence[tuple[str, str]],
        *,
        tenant: int,
    ) -> Sequence[T]:
        query = parser.parse_criteria(
            "Library", [("type", f"{KIND_SYSTEM}|{kind}"), *criteria], base=self._base
        )
        visible = Visible.everything(tenant, reason="measurement definitions apply to everybody")
        read = await uow.searches.recalled(query, visible=visible, limit=_MOST, by=self._read[kind])
        return [each for each in read if isinstance(each, shape)]


def _read(found: Found, kind: str) -> object | None:
    try:
        definition = definition_in(json.parse_stored(found.text))
        return _READERS[kind](definition) if definition["kind"] == kind else None
    except AppError as error:
        # A clinic's own definition that cannot be read must not stop the others.
        log.warning("definition cannot be used", library=found.id, error=str(error))
        return None
