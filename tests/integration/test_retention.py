"""A record ends when the law lets it and two people ask, and then in every copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.core.clock import SECOND
from app.core.errors import AppError, Category
from app.db.schema import newest
from app.db.tables.indexes import INDEX_TABLES
from app.db.tables.resources import resource
from app.services.audit_verification import verify_log
from app.services.backups import KEYS, Backups
from app.services.retention import Person, Retention
from tests.support.application import Application, Clinic, clinic_of, running
from tests.support.databases import Databases
from tests.support.indexing import indexing

YEAR = 366 * 86_400


def retention(clinic: Clinic) -> Retention:
    services = clinic.application.services
    return Retention(services.units, services.trail, clock=services.clock, ids=services.ids)


def backups(application: Application) -> Backups:
    services = application.services
    return Backups(
        services.units.database,
        root=services.root,
        ids=services.ids,
        clock=services.clock,
        schema=newest(),
    )


def person(clinic: Clinic, name: str, role: str = "admin") -> Person:
    return Person(clinic.tenant.id, name, role)


async def treated(clinic: Clinic, id: str, *, last: str) -> None:
    """A patient whose last session was then."""
    for tree in (
        {"resourceType": "Patient", "id": id, "name": [{"family": f"Family{id}"}]},
        {
            "resourceType": "Encounter",
            "id": f"e-{id}",
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": {"reference": f"Patient/{id}"},
            "period": {"start": last, "end": last},
        },
        {
            "resourceType": "Observation",
            "id": f"o-{id}",
            "status": "final",
            "code": {"text": "score"},
            "subject": {"reference": f"Patient/{id}"},
            "effectiveDateTime": last,
            "note": [{"text": "what was said"}],
        },
    ):
        answer = await clinic.http.put(f"{tree['resourceType']}/{tree['id']}", json=tree)
        assert answer.status_code == 201, answer.text


async def refused(clinic: Clinic, id: str, *, why: str) -> None:
    with pytest.raises(AppError) as raised:
        await retention(clinic).destroy(id, by=person(clinic, "ana"))
    assert raised.value.category is Category.CONFLICT
    assert why in str(raised.value.issues[0].diagnostics)


async def test_a_record_is_kept_for_its_years_and_under_a_hold(clinic: Clinic):
    await treated(clinic, "old", last="1999-05-05")
    await treated(clinic, "new", last="2024-05-05")
    await refused(clinic, "new", why="kept until 2049-05-06")
    with pytest.raises(AppError) as raised:
        await retention(clinic).keep_for(clinic.tenant.id, 24)
    assert raised.value.category is Category.UNPROCESSABLE
    await retention(clinic).keep_for(clinic.tenant.id, 40)
    await refused(clinic, "old", why="kept until 2039")
    await retention(clinic).keep_for(clinic.tenant.id, 25)
    await retention(clinic).hold(clinic.tenant.id, "old", reason="case 7")
    await refused(clinic, "old", why="legal hold")
    assert await retention(clinic).release(clinic.tenant.id, "old") == 1
    assert await retention(clinic).destroy("old", by=person(clinic, "ana")) is False
    log = (await (await auditor(clinic)).get("AuditEvent?patient=old&_count=50")).text
    for event in ("hold-placed", "hold-released", "destruction-asked"):
        assert event in log


@pytest.mark.parametrize(
    "last, until",
    [("2026-01-31T17:00:00Z", "2051-01-31"), ("2024-02-29T17:00:00Z", "2049-03-01")],
)
async def test_e8_never_shorter_than_25_years(clinic: Clinic, last: str, until: str):
    await treated(clinic, "leap", last=last)
    await refused(clinic, "leap", why=f"kept until {until}")


async def auditor(clinic: Clinic):
    return await clinic.as_client("system/AuditEvent.rs", name="Auditor", role="auditor")


@pytest.mark.parametrize("status", ["open", "deleted"])
async def test_care_that_goes_on_or_was_deleted_keeps_a_record(clinic: Clinic, status: str):
    await treated(clinic, "pia", last="1999-05-05")
    episode = {
        "resourceType": "EpisodeOfCare",
        "id": "ep",
        "status": "active",
        "patient": {"reference": "Patient/pia"},
        "period": {"start": "1998-01-01"},
    }
    assert (await clinic.http.put("EpisodeOfCare/ep", json=episode)).status_code == 201
    if status == "deleted":
        assert (await clinic.http.delete("EpisodeOfCare/ep")).is_success
    await refused(clinic, "pia", why="care goes on" if status == "open" else "kept until")


async def test_two_people_of_the_right_roles_end_it(clinic: Clinic):
    await treated(clinic, "old", last="1999-05-05")
    destroy = retention(clinic).destroy
    for role in ("therapist", "system", "auditor"):
        with pytest.raises(AppError) as raised:
            await destroy("old", by=person(clinic, "eve", role))
        assert raised.value.category is Category.FORBIDDEN
    assert await destroy("old", by=person(clinic, "ana")) is False
    assert await destroy("old", by=person(clinic, "ana")) is False  # alone she cannot
    clinic.application.clock.turn(seconds=8 * 86_400)
    assert await destroy("old", by=person(clinic, "ben", "clinical_lead")) is False  # too late
    assert (await clinic.http.get("AuditEvent")).status_code in (401, 403)
    assert await destroy("old", by=person(clinic, "ana")) is True
    with pytest.raises(AppError) as raised:
        await destroy("old", by=person(clinic, "ana"))
    assert raised.value.category is Category.NOT_FOUND


async def test_what_is_destroyed_is_gone_from_every_copy_and_still_proved(
    installation: Application, databases: Databases, tmp_path: Path
):
    async with clinic_of(installation) as clinic:
        await destroyed(clinic, databases, tmp_path)


async def destroyed(clinic: Clinic, databases: Databases, tmp_path: Path):
    application = clinic.application
    for id in ("old", "kept"):
        await treated(clinic, id, last="1999-05-05")
    (tmp_path / "backups").mkdir()
    before = tmp_path / "backups" / "before"
    await backups(application).save(before)
    assert not await retention(clinic).destroy("old", by=person(clinic, "ana"))
    assert await retention(clinic).destroy("old", by=person(clinic, "ben"))
    assert await backups(application).renew_keys() == []

    for path in ("Patient/old", "Encounter/e-old", "Observation/o-old/_history/1"):
        assert (await clinic.http.get(path)).status_code == 410, path
    for query in ("Patient?family=familyold", "Observation?patient=old", "Encounter?patient=old"):
        assert (await clinic.http.get(query)).json()["total"] == 0, query
    assert (await clinic.http.get("Observation")).json()["total"] == 1
    assert (await clinic.http.get("Observation?patient=kept")).json()["total"] == 1
    assert await index_rows(application, "old", tenant=clinic.tenant.id) == 0
    await application.app.state.sequencer.step()
    assert (await verify_log(application.services.units)).is_sound

    target = tmp_path / "target"
    target.mkdir()
    shutil.copy(application.settings.root_key, target / "root.key")
    token = clinic.http.headers["Authorization"]
    async with running(await databases.make(application.dialect), target) as restored:
        await backups(restored).load(before)
        await indexing(restored).run()
        assert await index_rows(restored, "old", tenant=clinic.tenant.id) == 0
        await restored.app.state.sequencer.step()
        assert (await verify_log(restored.services.units)).is_sound
    async with (
        running(restored.database, target) as again,
        again.http(headers={"Authorization": token}) as http,
    ):
        assert (await http.get("/fhir/Observation/o-kept")).status_code == 200
        for path in ("Patient/old", "Observation/o-old", "Observation/o-old/_history/1"):
            assert (await http.get(f"/fhir/{path}")).status_code == 410, path
        assert (await http.get("/fhir/Observation")).json()["total"] == 1


async def index_rows(application: Application, patient: str, *, tenant: int) -> int:
    own = resource.c.tenant == tenant, resource.c.key_owner == f"Patient/{patient}"
    rids = select(resource.c.rid).where(*own)
    count = 0
    async with application.services.units.read(tenant) as uow:
        assert await uow.connection.fetch(rids)
        for table in INDEX_TABLES:
            statement = (
                select(func.count())
                .select_from(table)
                .where(table.c.tenant == tenant, table.c.rid.in_(rids))
            )
            count += (await uow.connection.fetch(statement))[0][0]
    return count


async def test_a_backup_without_its_keys_is_refused(
    clinic: Clinic, databases: Databases, tmp_path: Path
):
    path = tmp_path / "backups" / "one"
    path.parent.mkdir()
    await backups(clinic.application).save(path)
    (path.parent / KEYS).unlink()
    async with running(await databases.make(clinic.application.dialect), tmp_path) as target:
        with pytest.raises(AppError) as raised:
            await backups(target).load(path)
    assert raised.value.category is Category.INVALID


def test_the_clock_counts_whole_years():
    from app.services.retention import _after

    assert _after(0, 25) == 9131 * 86_400 * SECOND
    assert _after(2**62, 25) is None
