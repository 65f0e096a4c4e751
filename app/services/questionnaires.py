"""Answers against the questionnaire version they name.

https://hl7.org/fhir/R4/questionnaireresponse.html. ``url|version`` is resolved exactly, never
to the latest; a questionnaire is compiled once and kept by the version that was stored.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import cast

from app.core.errors import AppError, Category, Severity
from app.domain.questionnaire import CompiledQuestionnaire, check, compile_questionnaire
from app.fhir import json
from app.fhir.json import Tree
from app.repositories.recall import Recall
from app.repositories.unit_of_work import UnitOfWork
from app.search import parser
from app.search.escapes import escape
from app.search.found import Found
from app.search.query import SearchQuery
from app.search.visibility import Visible
from app.security.principal import Principal
from app.services.changes import Change

OWN = "https://rapport.example.org/"
_KEPT = 256


class Questionnaires:
    """Finds, compiles and applies questionnaires."""

    def __init__(self, *, base: str) -> None:
        self._base = base
        self._compiled = Recall(_compiled, most=_KEPT)

    async def check_answers(self, uow: UnitOfWork, principal: Principal, change: Change) -> Change:
        """Refuses answers that do not fit; gives the token's patient to one without subject."""
        tree = change.tree
        if "subject" not in tree and principal.patient is not None:
            tree = {**tree, "subject": {"reference": f"Patient/{principal.patient}"}}
            change = replace(change, tree=tree, text=json.dumps(tree))
        questionnaire = await self.named_by(uow, tree, tenant=principal.tenant)
        if questionnaire is None:
            return change
        issues = check(questionnaire, tree)
        if any(issue.severity is Severity.ERROR for issue in issues):
            raise AppError(Category.UNPROCESSABLE, issues)
        return change

    async def check_definition(
        self, uow: UnitOfWork, principal: Principal, change: Change
    ) -> Change:
        """Refuses a questionnaire that cannot be compiled."""
        compile_questionnaire(change.tree)
        return change

    async def named_by(
        self, uow: UnitOfWork, response: Tree, *, tenant: int
    ) -> CompiledQuestionnaire | None:
        """The questionnaire that a response names, or None where it is nobody's here.

        Raises ``unprocessable`` where the url is known and that version of it is not.
        """
        canonical = response.get("questionnaire")
        if not canonical:
            return None
        url, _, version = canonical.partition("#")[0].partition("|")
        found = await self._find(uow, url, version, tenant=tenant)
        if found is not None:
            return found
        if url.startswith(OWN) or (version and await self._find(uow, url, "", tenant=tenant)):
            raise AppError.of(
                Category.UNPROCESSABLE,
                "not-found",
                "this version of the questionnaire is not known",
                "QuestionnaireResponse.questionnaire",
            )
        return None

    async def _find(
        self, uow: UnitOfWork, url: str, version: str, *, tenant: int
    ) -> CompiledQuestionnaire | None:
        """The newest of that url and version; a unit of work asks once."""
        key = (tenant, url, version)
        if key not in uow.forms:
            uow.forms[key] = await self._found(uow, url, version, tenant=tenant)
        return cast("CompiledQuestionnaire | None", uow.forms[key])

    async def _found(
        self, uow: UnitOfWork, url: str, version: str, *, tenant: int
    ) -> CompiledQuestionnaire | None:
        matches = await uow.searches.recalled(
            _query(url, version, base=self._base),
            visible=Visible.everything(tenant, reason="answers are checked by their questionnaire"),
            limit=20,
            by=self._compiled,
        )
        return max(matches, key=lambda found: found[0])[1] if matches else None


@lru_cache(maxsize=_KEPT)
def _query(url: str, version: str, *, base: str) -> SearchQuery:
    criteria = [("url", escape(url))]
    if version:
        criteria.append(("version", escape(version)))
    return parser.parse_criteria("Questionnaire", criteria, base=base)


def _compiled(found: Found) -> tuple[tuple[int, int], CompiledQuestionnaire]:
    """A questionnaire, and when it was stored."""
    compiled = compile_questionnaire(json.parse_stored(found.text))
    return (found.updated, found.rid), compiled
