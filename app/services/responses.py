"""Responses written by those from whom part of them is withheld."""

from __future__ import annotations

from dataclasses import replace

from app.domain import withholding
from app.fhir import json
from app.fhir.registry import REGISTRY
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.security import access
from app.security.principal import Principal
from app.services.changes import Change

_KIND = REGISTRY["QuestionnaireResponse"].code


async def keep_private(uow: UnitOfWork, principal: Principal, change: Change) -> Change:
    """A change that leaves the private answer as it is stored, whoever writes.

    Only a new response may bring one along: a record system passes on what the person said.
    """
    if change.previous is None or change.previous.deleted or access.hears_all(principal):
        return change
    visible = Visible.everything(principal.tenant, reason="what is withheld must be kept")
    stored = await uow.resources.read(_KIND, change.id, visible=visible)
    if stored is None or stored.deleted:
        return change
    before = json.parse_resource(stored.text)
    if not withholding.is_private(before) and not withholding.is_private(change.tree):
        return change
    tree = withholding.kept(change.tree, before)
    return replace(change, text=json.dumps(tree), tree=tree, previous=stored)
