"""Who may sign in to the demo clinic, and the programs that may connect.

Passwords and keys are random, made once, and stand only in the credentials file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from fhir.resources.R4B.practitioner import Practitioner

from app.demo import bundles
from app.demo.story import Person
from app.main import Core
from app.repositories.installation import Tenant
from app.security import jose
from app.security.keys import new_es384_key
from app.security.oauth.registration import NewClient, register_client, share_client
from app.security.passwords import Passwords
from app.security.people import NewUser, add_user

CALLBACK: Final = "http://127.0.0.1:9876/callback"
_PORTAL_SCOPE: Final = "openid fhirUser offline_access launch/patient patient/*.cruds"
_STAFF_SCOPE: Final = (
    "openid fhirUser offline_access online_access launch launch/patient user/*.cruds patient/*.rs"
)

# Key, role, FHIR person, name; in the demo clinic.
_USERS: Final = (
    ("admin", "admin", "Practitioner/admin", "Ana Duarte"),
    ("auditor", "auditor", "Practitioner/auditor", "Ingrid Moe"),
    ("clinical_lead", "clinical_lead", "Practitioner/clinical-lead", "Sami Rahman"),
    ("supervisor", "supervisor", "Practitioner/supervisor", "Maja Lindqvist"),
    ("reception", "reception", "Practitioner/reception", "Tom Adler"),
    ("therapist_a", "therapist", "Practitioner/therapist-a", "Amal Haddad"),
    ("therapist_b", "therapist", "Practitioner/therapist-b", "Chidi Okafor"),
    ("client_1", "client", "Patient/client-1", "Nadia Costa"),
    ("client_2", "client", "Patient/client-2", "Jonas Meyer"),
    ("partner_a", "client", "Patient/partner-a", "Layla Farouk"),
    ("partner_b", "client", "Patient/partner-b", "Karim Farouk"),
)
_OTHER_USERS: Final = (
    ("other_therapist", "therapist", "Practitioner/other-therapist", "Petra Novak"),
    ("other_client", "client", "Patient/other-client", "Rui Silva"),
)


async def users(core: Core, demo: Tenant, other: Tenant) -> Mapping[str, Any]:
    """Adds everybody; their credentials by key."""
    hasher = Passwords()
    wanted = [
        *((demo, person) for person in _USERS),
        *((other, person) for person in _OTHER_USERS),
    ]
    try:
        added = await asyncio.gather(
            *(_user(core, hasher, tenant, person) for tenant, person in wanted)
        )
    finally:
        hasher.close()
    return {person[0]: described for (_, person), described in zip(wanted, added, strict=True)}


async def clients(core: Core, tenant: Tenant, other: Tenant) -> Mapping[str, Any]:
    """Registers the programs; what each needs to connect, by key."""
    return {
        "ehr": await _backend(
            core,
            NewClient(
                tenant=tenant.id,
                name="Clinic record system",
                kind="backend",
                client_id="ehr",
                scope="system/*.cruds",
                actor="Organization/clinic-demo",
            ),
        ),
        "portal": await _interactive(
            core, tenant, other, client_id="portal", name="Client portal", scope=_PORTAL_SCOPE
        ),
        "dashboard": await _interactive(
            core, tenant, other, client_id="dashboard", name="Clinic dashboard", scope=_STAFF_SCOPE
        ),
        "confidential": await _interactive(
            core,
            tenant,
            other,
            client_id="confidential",
            name="Clinic web application",
            scope=_STAFF_SCOPE,
            kind="confidential",
        ),
        "hie": await _backend(
            core,
            NewClient(
                tenant=tenant.id,
                name="Regional Health Information Exchange",
                kind="backend",
                client_id="hie",
                scope="system/*.rs",
                role="outside_system",
                actor="Organization/exchange",
                clearance="N",
            ),
        ),
        "backup_auditor": await _backend(
            core,
            NewClient(
                tenant=tenant.id,
                name="Audit collector",
                kind="backend",
                client_id="backup-auditor",
                scope="system/AuditEvent.rs",
                role="auditor",
            ),
        ),
    }


def office() -> Iterator[Practitioner]:
    """Those who work in the clinic and treat nobody."""
    for key, role, _, name in _USERS:
        if role in ("admin", "auditor", "reception"):
            given, family = name.split()
            yield bundles.practitioner(Person(key, family, given))


async def _user(
    core: Core, hasher: Passwords, tenant: Tenant, who: tuple[str, str, str, str]
) -> Mapping[str, Any]:
    key, role, person, name = who
    password = jose.encode(core.ids.random(15))
    account = await add_user(
        core.units.accounts,
        NewUser(
            tenant=tenant.id,
            username=key,
            name=name,
            role=role,
            fhir_user=person,
            password=password,
            email=f"{key}@demo.invalid",
        ),
        hasher=hasher,
        ids=core.ids,
        now=core.clock.now(),
    )
    return {
        "username": account.username,
        "password": password,
        "role": role,
        "fhirUser": person,
        "totp_secret": None,
    }


async def _backend(core: Core, new: NewClient) -> Mapping[str, Any]:
    pair = new_es384_key()
    keyed = replace(new, jwks={"keys": [dict(pair.public_jwk)]})
    async with core.units.accounts.write() as uow:
        await register_client(uow.accounts, keyed, ids=core.ids, now=core.clock.now(), demo=True)
    described: dict[str, Any] = {
        "client_id": new.client_id,
        "grant": "client_credentials",
        "scope": new.scope,
        "private_jwk": dict(pair.private_jwk),
    }
    return described | ({"actor": new.actor} if new.actor else {})


async def _interactive(
    core: Core,
    tenant: Tenant,
    other: Tenant,
    *,
    client_id: str,
    name: str,
    scope: str,
    kind: str = "public",
) -> Mapping[str, Any]:
    new = NewClient(
        tenant=tenant.id,
        name=name,
        kind=kind,
        client_id=client_id,
        scope=scope,
        redirect_uris=(CALLBACK,),
        launch_uri="http://127.0.0.1:9876/launch",
        with_secret=kind == "confidential",
    )
    async with core.units.accounts.write() as uow:
        registered = await register_client(
            uow.accounts, new, ids=core.ids, now=core.clock.now(), demo=True
        )
        await share_client(uow.accounts, registered.client, tenant=other.id)
    described: dict[str, Any] = {
        "client_id": client_id,
        "grant": "authorization_code",
        "scope": scope,
        "redirect_uri": CALLBACK,
    }
    if registered.secret is None:
        return described | {"public": True}
    return described | {"client_secret": registered.secret}
