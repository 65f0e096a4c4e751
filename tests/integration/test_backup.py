"""What is backed up comes back whole, on either database; what was touched does not come back."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.core.errors import AppError, Category
from app.core.ids import RandomIds
from app.db.schema import newest
from app.security.root_key import RootKey
from app.services.audit_verification import verify_log
from app.services.backups import Backups
from tests.support.application import Application, Clinic, clinic_of, running
from tests.support.databases import DIALECTS, Databases, Dialect
from tests.support.indexing import indexing

PATIENT = {"resourceType": "Patient", "name": [{"family": "Quintero"}], "birthDate": "1990-05"}
GOAL = {
    "resourceType": "Goal",
    "id": "talk",
    "lifecycleStatus": "active",
    "description": {"text": "talk again"},
}


def backups(application: Application, root: RootKey | None = None) -> Backups:
    """The backups of a running application."""
    services = application.services
    return Backups(
        services.units.database,
        root=root or services.root,
        ids=services.ids,
        clock=services.clock,
        schema=newest(),
    )


@asynccontextmanager
async def saved(databases: Databases, dialect: Dialect, folder: Path) -> AsyncIterator[Clinic]:
    """A clinic with a patient of two versions, saved in ``folder/backup``."""
    source = folder / "source"
    source.mkdir()
    async with (
        running(await databases.make(dialect), source) as application,
        clinic_of(application) as clinic,
    ):
        created = await clinic.http.post("Patient", json=PATIENT)
        id = created.json()["id"]
        await clinic.http.put(f"Patient/{id}", json={**PATIENT, "id": id, "active": True})
        goal = {**GOAL, "subject": {"reference": f"Patient/{id}"}}
        assert (await clinic.http.put("Goal/talk", json=goal)).status_code == 201
        await backups(application).save(folder / "backup")
        yield clinic


@asynccontextmanager
async def empty(databases: Databases, dialect: Dialect, folder: Path) -> AsyncIterator[Application]:
    """A server on a fresh database, under the root key that sealed the backup."""
    target = folder / "target"
    target.mkdir()
    shutil.copy(folder / "source" / "root.key", target / "root.key")
    async with running(await databases.make(dialect), target) as application:
        yield application


@pytest.mark.parametrize("dialect_after", DIALECTS)
async def test_a_restored_clinic_answers_as_before(
    databases: Databases, dialect: Dialect, dialect_after: Dialect, tmp_path: Path
):
    async with saved(databases, dialect, tmp_path) as clinic:
        searched = (await clinic.http.get("Patient?family=quintero")).json()
        id = searched["entry"][0]["resource"]["id"]
        past = (await clinic.http.get(f"Patient/{id}/_history/1")).content
        token = clinic.http.headers["Authorization"]
        async with empty(databases, dialect_after, tmp_path) as restored:
            await backups(restored).load(tmp_path / "backup")
        async with (
            running(restored.database, tmp_path / "target") as again,
            again.http(headers={"Authorization": token}) as http,
        ):
            await indexing(again).run()
            confidential = (await http.get("/fhir/Goal?lifecycle-status=active")).json()
            assert [e["resource"]["id"] for e in confidential["entry"]] == ["talk"]
            found = (await http.get("/fhir/Patient?family=quintero")).json()
            assert [e["resource"] for e in found["entry"]] == [
                e["resource"] for e in searched["entry"]
            ]
            assert (await http.get(f"/fhir/Patient/{id}/_history/1")).content == past
            made = await http.post("/fhir/Patient", json=PATIENT)
            assert made.status_code == 201


@pytest.mark.parametrize("waiting", [0, 1, 600], ids=lambda count: f"{count} waiting")
async def test_a_restored_log_knows_every_event(
    databases: Databases, dialect: Dialect, waiting: int, tmp_path: Path
):
    """Whatever the tree held when the backup was taken, and whatever was still to be added."""
    async with saved(databases, dialect, tmp_path) as clinic:
        await clinic.application.app.state.sequencer.step()
        for _ in range(waiting):
            await clinic.http.get("Patient/nobody")
        await backups(clinic.application).save(tmp_path / "later")
    async with empty(databases, dialect, tmp_path) as restored:
        await backups(restored).load(tmp_path / "later")
        await restored.app.state.sequencer.step()
        verdict = await verify_log(restored.services.units)
        assert verdict.is_sound, verdict


async def test_nothing_of_it_can_be_read_without_the_key(databases: Databases, tmp_path: Path):
    async with saved(databases, "sqlite", tmp_path):
        content = (tmp_path / "backup").read_bytes()
    assert b"Quintero" not in content
    assert b"resourceType" not in content


@pytest.mark.parametrize("harm", ["another key", "cut", "one bit", "another file"])
async def test_a_backup_that_is_not_whole_stores_nothing(
    databases: Databases, tmp_path: Path, harm: str
):
    path = tmp_path / "backup"
    async with saved(databases, "sqlite", tmp_path):
        pass
    content = path.read_bytes()
    if harm == "cut":
        path.write_bytes(content[:-20])
    if harm == "one bit":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    if harm == "another file":
        path.write_bytes(b"PK\x03\x04" + content)
    async with empty(databases, "sqlite", tmp_path) as target:
        root = RootKey(bytes(32), RandomIds()) if harm == "another key" else None
        with pytest.raises(AppError) as refusal:
            await backups(target, root).load(path)
        assert refusal.value.category is Category.INVALID
        async with target.services.units.accounts.read() as unit:
            slugs = [tenant.slug for tenant in await unit.installation.tenants()]
        assert slugs == ["shared"]


async def test_a_database_in_use_is_left_alone(databases: Databases, tmp_path: Path):
    async with saved(databases, "sqlite", tmp_path) as clinic:
        with pytest.raises(AppError) as refusal:
            await backups(clinic.application).load(tmp_path / "backup")
        assert refusal.value.category is Category.CONFLICT


async def test_an_index_made_anew_finds_the_same(installation: Application):
    async with clinic_of(installation) as clinic:
        await made_anew(clinic)


async def made_anew(clinic: Clinic):
    await clinic.http.post("Patient", json=PATIENT)
    before = (await clinic.http.get("Patient?birthdate=1990&_sort=family")).json()["entry"]
    await indexing(clinic.application).run()
    after = (await clinic.http.get("Patient?birthdate=1990&_sort=family")).json()["entry"]
    assert before == after
