"""Patients as the pages name them, found through the same door as every other read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.core.errors import AppError
from app.fhir import json
from app.fhir.registry import Interaction
from app.interactions import pipeline
from app.interactions.call import Call, Pairs
from app.pages.browser import Browser
from app.routers.dependencies import services_of
from app.security.sessions import SignedIn, principal_of

_MOST = "20"
_SCOPE = "user/Patient.rs"


@dataclass(frozen=True, slots=True)
class Found:
    """A patient by name and date of birth."""

    id: str
    name: str
    born: str


async def find(browser: Browser, person: SignedIn, name: str) -> Sequence[Found]:
    """Patients whom a person may see, by the beginning of a name; audited as the search it is."""
    query: Pairs = (("_count", _MOST), ("_sort", "family"))
    if name.strip():
        query += tuple(("name", word) for word in name.split()[:5])
    try:
        outcome = await _run(browser, person, Interaction.SEARCH_TYPE, query=query)
    except AppError:
        return ()
    bundle = json.parse_resource(outcome.document or b"{}")
    return [_found(entry["resource"]) for entry in bundle.get("entry", ())]


async def named(browser: Browser, person: SignedIn, id: str) -> Found | None:
    """One patient, where the person may see them."""
    try:
        outcome = await _run(browser, person, Interaction.READ, id=id)
    except AppError:
        return None
    return _found(json.parse_resource(outcome.stored.text)) if outcome.stored else None


async def _run(
    browser: Browser,
    person: SignedIn,
    interaction: Interaction,
    *,
    id: str | None = None,
    query: Pairs = (),
) -> Any:
    services = services_of(browser.request)
    caller = principal_of(
        person, issuer=browser.server.issuer, now=browser.server.clock.now(), scope=_SCOPE
    )
    call = Call(
        interaction=interaction,
        facts=services.facts(browser.request),
        type="Patient",
        id=id,
        query=query,
    )
    return await pipeline.run(services.engine, caller, call)


def _found(tree: Any) -> Found:
    names = tree.get("name") or [{}]
    best = next((name for name in names if name.get("use") == "official"), names[0])
    text = best.get("text") or " ".join([*best.get("given", ()), best.get("family", "")])
    return Found(tree["id"], text.strip() or tree["id"], tree.get("birthDate", ""))
