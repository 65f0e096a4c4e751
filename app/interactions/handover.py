"""A leaver's patients pass to a colleague: open episodes, places in teams, tasks to be done.

Each change is a patch of its own through the pipeline, so each is checked, versioned and in
the audit log under the administrator who asked. What was handed over is not found again, so a
handover that was interrupted is finished by asking once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from app.core.clock import format_instant
from app.fhir import json, references
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY, Interaction
from app.interactions import pipeline
from app.interactions.call import Call, Pairs, PatchFormat
from app.interactions.context import Engine
from app.security import scopes
from app.security.principal import Principal
from app.services.audit import RequestFacts

_SCOPE: Final = "system/EpisodeOfCare.rus system/CareTeam.rus system/Task.rus"
_OPEN: Final = "planned,waitlist,active,onhold"
_TO_DO: Final = "draft,requested,received,accepted,ready,in-progress,on-hold"
_PAGE: Final = "200"


async def hand_over(
    engine: Engine, admin: Principal, facts: RequestFacts, *, leaver: str, successor: str
) -> int:
    """How many episodes, teams and tasks ``leaver`` (``Practitioner/x``) passed on."""
    acting = replace(
        admin, role="system", scopes=scopes.parse(_SCOPE, types=REGISTRY), clearance="V"
    )
    today = format_instant(engine.clock.now())[:10]
    changed = 0
    for type_name, held, query in (
        ("EpisodeOfCare", "careManager", (("care-manager", leaver), ("status", _OPEN))),
        ("Task", "owner", (("owner", leaver), ("status", _TO_DO))),
    ):
        while found := await _found(engine, acting, facts, type_name, (*query, ("_count", _PAGE))):
            for tree in found:
                await _patch(engine, acting, facts, tree, _swap(tree, held, successor))
            changed += len(found)
    teams = (("participant", leaver), ("status", "active"), ("_count", _PAGE))
    for tree in await _found(engine, acting, facts, "CareTeam", teams):
        changes = _team_changes(tree, leaver, successor, today, acting.base)
        if changes:
            await _patch(engine, acting, facts, tree, changes)
            changed += 1
    return changed


def _swap(tree: Tree, held: str, successor: str) -> list[dict[str, Any]]:
    """Puts the successor in the leaver's place; no name of the leaver stays beside it."""
    return [
        {"op": "test", "path": f"/{held}/reference", "value": tree[held]["reference"]},
        {"op": "replace", "path": f"/{held}", "value": {"reference": successor}},
    ]


def _team_changes(
    tree: Tree, leaver: str, successor: str, today: str, base: str
) -> list[dict[str, Any]]:
    """Ends the leaver's open places and gives the successor one where there was any."""
    changes: list[dict[str, Any]] = []
    for place, participant in enumerate(tree.get("participant", ())):
        period = participant.get("period") or {}
        named = participant.get("member", {})
        if references.local(named, base) != leaver or "end" in period:
            continue
        path = f"/participant/{place}"
        changes += [
            {"op": "test", "path": f"{path}/member/reference", "value": named["reference"]},
            {"op": "add", "path": f"{path}/period", "value": {**period, "end": today}},
        ]
    if changes:
        new = {"member": {"reference": successor}, "period": {"start": today}}
        changes.append({"op": "add", "path": "/participant/-", "value": new})
    return changes


async def _found(
    engine: Engine, acting: Principal, facts: RequestFacts, type_name: str, query: Pairs
) -> Sequence[Tree]:
    call = Call(interaction=Interaction.SEARCH_TYPE, facts=facts, type=type_name, query=query)
    outcome = await pipeline.run(engine, acting, call)
    bundle = json.parse_resource(outcome.document or b"{}")
    return [entry["resource"] for entry in bundle.get("entry", ())]


async def _patch(
    engine: Engine,
    acting: Principal,
    facts: RequestFacts,
    tree: Tree,
    changes: list[dict[str, Any]],
) -> None:
    call = Call(
        interaction=Interaction.PATCH,
        facts=facts,
        type=tree["resourceType"],
        id=tree["id"],
        body=json.dumps(changes),
        patch_format=PatchFormat.JSON_PATCH,
    )
    await pipeline.run(engine, acting, call)
