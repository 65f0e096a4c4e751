"""Root and tenant keys are turned over under a running server, in a file or in a key service."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import AppError, Category
from app.core.ids import RandomIds
from app.repositories.installation import SHARED
from app.security.key_service import KeyService
from app.security.keyring import KeyRing
from app.security.root_key import KeyUnavailable, RootKey
from app.services.audit_verification import verify_log
from tests.support.application import Application, Clinic, clinic_of, running
from tests.support.databases import ANYBODY, Databases, Dialect
from tests.support.subscribing import subscription
from tests.support.transit import key_service_at, rotation

PATIENT = {"resourceType": "Patient", "id": "rita", "active": True}


@pytest.fixture
async def clinic(databases: Databases, dialect: Dialect, tmp_path: Path) -> AsyncIterator[Clinic]:
    """A clinic in an installation of its own, since its keys do not stay as they were."""
    place = tmp_path / "own"
    place.mkdir()
    async with (
        running(await databases.make(dialect), place) as application,
        clinic_of(application) as clinic,
    ):
        yield clinic


async def test_a_tenant_key_is_turned_over_while_it_is_read(clinic: Clinic, tmp_path: Path):
    assert (await clinic.http.put("Patient/rita", json=PATIENT)).status_code == 201
    turning = asyncio.create_task(rotation(clinic.application).turn_tenant(clinic.tenant.id))
    answers = await asyncio.gather(*(clinic.http.get("Patient/rita") for _ in range(8)))
    assert await turning >= 1
    assert {answer.status_code for answer in answers} == {200}
    await rotation(clinic.application).turn_tenant(clinic.tenant.id)  # which forgets the first one
    clinic.application.services.units._codec._held.clear()  # as a process that starts
    assert (await clinic.http.get("Patient/rita")).json()["active"] is True
    # What the index is hashed under is wrapped like any key, and stays the same.
    goal = {"lifecycleStatus": "active", "description": {"text": "talk again"}}
    subject = {"reference": "Patient/rita"}
    made = await clinic.http.post("Goal", json={"resourceType": "Goal", "subject": subject, **goal})
    assert made.status_code == 201
    await rotation(clinic.application).turn_tenant(SHARED)
    async with (
        running(clinic.application.database, tmp_path / "own") as again,
        again.http(headers={"Authorization": clinic.http.headers["Authorization"]}) as http,
    ):
        assert (await http.get("/fhir/Goal?lifecycle-status=active")).json()["total"] == 1
    assert (await clinic.http.put("Patient/new", json={**PATIENT, "id": "new"})).is_success


async def test_the_root_key_is_turned_over_and_the_former_forgotten(clinic: Clinic, tmp_path: Path):
    assert (await clinic.http.put("Patient/rita", json=PATIENT)).status_code == 201
    hook = subscription(
        "score-created", "https://ehr.example.org/hook", header=["Authorization: Bearer kept"]
    )
    assert (await clinic.http.put("Subscription/s", json=hook | {"id": "s"})).status_code == 201
    former = tmp_path / "former.key"
    shutil.copy(clinic.application.settings.root_key, former)
    wrapped, sealed = await rotation(clinic.application).turn_root()
    assert wrapped >= 1
    assert sealed >= 1
    await rotation(clinic.application).finish()
    await clinic.application.app.state.sequencer.step()
    assert (await verify_log(clinic.application.services.units)).is_sound
    services = clinic.application.services
    services.units._codec._held.clear()
    assert (await clinic.http.get("Patient/rita")).status_code == 200
    await clinic.application.add_tenant("more")  # signs and seals as before
    async with services.units.read(clinic.tenant.id) as uow:
        standing = await uow.subscriptions.find(clinic.tenant.id, "s")
    assert standing is not None
    kept = services.engine.services.subscriptions.headers(standing)
    assert kept == [("Authorization", "Bearer kept")]
    with pytest.raises(KeyUnavailable):
        await KeyRing(
            services.units.accounts, root=RootKey.load(former, services.ids), clock=services.clock
        ).signer()


@pytest.fixture
def transit(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "token").write_text("token\n")
    with key_service_at() as url:
        yield url


def key_service(url: str, place: Path) -> KeyService:
    root = RootKey(bytes(32), RandomIds())
    return KeyService(url, key="rapport", token_file=place / "token", before=root)


async def roots(application: Application) -> set[str]:
    async with application.services.units.read(ANYBODY) as uow:
        return await uow.keys.roots()


async def test_a_key_service_takes_over_from_the_file(clinic: Clinic, transit: str, tmp_path: Path):
    assert (await clinic.http.put("Patient/rita", json=PATIENT)).status_code == 201
    services = clinic.application.services
    token = clinic.http.headers["Authorization"]
    assert {root.partition(":")[0] for root in await roots(clinic.application)} == {"file"}
    place = clinic.application.settings.data_dir
    (place / "token").write_text("token")
    served: dict[str, Any] = {"key_service_url": transit, "key_service_token_file": place / "token"}
    async with (
        running(clinic.application.database, place, **served) as application,
        application.http(headers={"Authorization": token}) as http,
    ):
        assert (await http.get("/fhir/Patient/rita")).status_code == 200
        services = application.services
        await rotation(application).turn_root()
        assert await roots(application) == {"service:rapport:v2"}
        services.units._codec._held.clear()
        services.units._codec._unwrapped.cache_clear()
        assert (await http.get("/fhir/Patient/rita")).status_code == 200
        (place / "token").write_text("wrong")
        services.units._codec._held.clear()
        services.units._codec._unwrapped.cache_clear()
        assert (await http.get("/fhir/Patient/rita")).status_code == 503


async def test_what_the_service_refuses_is_unavailable(transit: str, tmp_path: Path):
    service = key_service(transit, tmp_path)
    wrapped = await service.wrap(b"k" * 32, about="one")
    assert await service.unwrap(wrapped, about="one") == b"k" * 32
    with pytest.raises(AppError) as raised:
        await service.unwrap(wrapped, about="another")
    assert raised.value.category is Category.UNAVAILABLE
    (tmp_path / "token").write_text("wrong")
    with pytest.raises(AppError) as raised:
        await service.wrap(b"k" * 32, about="one")
    assert raised.value.category is Category.UNAVAILABLE
