"""Loading the demo clinic, once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from fhir.resources.R4B.resource import Resource

from app.core.clock import EPOCH
from app.core.errors import AppError
from app.demo import LOADED, accounts, bundles
from app.demo.story import (
    CLIENTS,
    COURSES,
    OTHER_CLIENT,
    OTHER_COURSES,
    OTHER_THERAPIST,
    THERAPISTS,
    Course,
)
from app.fhir import json
from app.fhir.registry import REGISTRY, Interaction
from app.interactions import pipeline
from app.interactions.call import Call
from app.interactions.relay import Relay
from app.main import Core
from app.repositories.installation import Tenant
from app.security import scopes
from app.security.principal import Principal
from app.services.audit import RequestFacts

_SUPERVISED_FOR = timedelta(days=365)


async def load(core: Core) -> None:
    """Makes the clinic, and the file with its keys."""
    demo = await core.tenants.add("demo", "Harbour Clinic")
    other = await core.tenants.add("other", "Hillside Practice")
    await _clinic(core, demo, COURSES)
    await _clinic(core, other, OTHER_COURSES)
    since = (EPOCH + timedelta(microseconds=core.clock.now()) - _SUPERVISED_FOR).date()
    await _send(core, demo, [*accounts.office(), bundles.supervision(since=since)])
    users = await accounts.users(core, demo, other)
    clients = await accounts.clients(core, demo, other)
    await _react(core)
    _write(core.settings.demo_credentials, _credentials(core, users, clients))
    async with core.units.accounts.write() as uow:
        await uow.installation.set_fact(LOADED, core.settings.fhir_base)


async def _clinic(core: Core, tenant: Tenant, courses: Iterable[Course]) -> None:
    staff = THERAPISTS if tenant.slug == "demo" else (OTHER_THERAPIST,)
    clients = CLIENTS if tenant.slug == "demo" else (OTHER_CLIENT,)
    await _send(core, tenant, bundles.people(tenant.slug, staff, clients))
    if tenant.slug == "demo":
        await _send(core, tenant, [bundles.couple("partner-a", "partner-b")])
    for course in courses:
        records = list(bundles.course(course, tenant.slug, now=core.clock.now()))
        await _send(core, tenant, records)


async def _send(core: Core, tenant: Tenant, resources: Sequence[Resource]) -> None:
    call = Call(
        interaction=Interaction.BATCH,
        facts=RequestFacts(core.ids.new_id(), None, "POST", "/fhir"),
        body=bundles.transaction(resources).model_dump_json().encode(),
        minimal=True,
    )
    try:
        await pipeline.run(core.engine, _record_system(core, tenant), call)
    except AppError as refusal:
        complaints = "; ".join(f"{i.expression}: {i.diagnostics}" for i in refusal.issues[:5])
        raise RuntimeError(f"the demo clinic was refused: {complaints}") from refusal


def _record_system(core: Core, tenant: Tenant) -> Principal:
    """The clinic's record system, as which the clinic is loaded."""
    return Principal(
        tenant=tenant.id,
        tenant_slug=tenant.slug,
        client_id="ehr",
        subject="ehr",
        actor=f"Organization/clinic-{tenant.slug}",
        role="system",
        scopes=scopes.parse("system/*.cruds", types=REGISTRY),
        patient=None,
        purpose="TREAT",
        token_id="demo",
        issuer=core.settings.origin,
        name="Clinic record system",
    )


async def _react(core: Core) -> None:
    """Does what the loaded records call for, so that the clinic is complete at once."""
    relay = Relay(core.units, core.engine.services, clock=core.clock, holder="demo")
    while await relay.run_once():
        pass


def _credentials(
    core: Core, users: Mapping[str, Any], clients: Mapping[str, Any]
) -> Mapping[str, Any]:
    return {
        "base_url": core.settings.origin,
        "fhir_base": core.settings.fhir_base,
        "users": users,
        "clients": clients,
        "episodes": {
            "individual": "EpisodeOfCare/episode-individual",
            "couple_a": "EpisodeOfCare/episode-couple-a",
            "couple_b": "EpisodeOfCare/episode-couple-b",
        },
        "couple_group": "Group/couple",
    }


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps(content, pretty=True) + b"\n")
