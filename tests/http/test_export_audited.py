"""No line without its record: who was exported is in the log before the first byte about them."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.db.tables.audit import audit_event
from app.repositories.audit_log import AuditLog, AuditUnavailable
from app.services import exports
from tests.http.answers import made, refused
from tests.http.resources import observation, patient
from tests.http.test_audit_failing import taking_nothing
from tests.support.application import Clinic
from tests.support.exports import below, kick_off, manifest, prepared, started, streamed
from tests.support.staff import signed_in

KINDS = ("export-started", "export-finished", "export-downloaded")


async def recorded(clinic: Clinic) -> list[tuple[str, str | None, str | None]]:
    """Kind, patient and file of the records of exports, in order."""
    table = audit_event.c
    asked = (
        select(table.event, table.patient, table.entity_name)
        .where(table.tenant == clinic.tenant.id, table.event.in_(KINDS))
        .order_by(table.recorded, table.aid)
    )
    async with clinic.application.services.units.database.read(clinic.tenant.id) as connection:
        return [tuple(row) for row in await connection.fetch(asked)]


@pytest.fixture
async def records(clinic: Clinic) -> list[str]:
    """Two patients, one of whom has two scores."""
    found = [made(await clinic.http.post("Patient", json=patient(n))) for n in ("Amsel", "Berg")]
    for who in (*found, found[0]):
        made(await clinic.http.post("Observation", json=observation(who)))
    return found


async def test_started_finished_and_each_patient_of_a_file(clinic, records, monkeypatch):
    monkeypatch.setattr(exports, "ROWS", 1)
    status = await started(clinic.http, "$export?_type=Observation,Questionnaire")
    assert [kind for kind, *_ in await recorded(clinic)] == ["export-started"]
    await prepared(clinic.application)
    assert (await recorded(clinic))[1:] == [("export-finished", None, status)]
    files = (await clinic.http.get(status)).json()["output"]
    for item in files:
        await streamed(clinic.application, clinic.http, item["url"])
    downloaded = (await recorded(clinic))[2:]
    assert {kind for kind, *_ in downloaded} == {"export-downloaded"}
    scores, forms = (below(item["url"]) for item in files)
    assert sorted(downloaded, key=str) == sorted(
        [
            *(("export-downloaded", who.removeprefix("Patient/"), scores) for who in records),
            ("export-downloaded", None, forms),
        ],
        key=str,
    ), "one a patient and file, however many stretches it has"


async def test_the_record_is_there_before_the_line(clinic, records, monkeypatch):
    monkeypatch.setattr(exports, "ROWS", 1)
    told = await manifest(clinic.application, clinic.http, "$export?_type=Patient")
    seen: list[set[str | None]] = []

    async def between(pieces: int) -> None:
        seen.append({patient for _, patient, _ in (await recorded(clinic))[2:]})

    file = await streamed(
        clinic.application, clinic.http, told["output"][0]["url"], between=between
    )
    ids = [name.removeprefix("Patient/") for name in file.names]
    assert seen == [{ids[0]}, set(ids)]


async def test_a_client_finds_it_among_disclosures(clinic, records):
    told = await manifest(clinic.application, clinic.http, "$export?_type=Observation")
    await clinic.http.get(below(told["output"][0]["url"]))
    lead = await signed_in(clinic, "clinical_lead", "Practitioner/lea")
    answer = await lead.get(f"{records[0]}/$accounting-of-disclosures")
    events = [entry["resource"] for entry in answer.json()["entry"]]
    found = [e for e in events if e["subtype"][0]["code"] == "export-downloaded"]
    assert len(found) == 1
    assert [e["name"] for e in found[0]["entity"] if "name" in e] == [
        below(told["output"][0]["url"])
    ]


async def test_while_the_log_takes_nothing_nothing_is_told(clinic, records):
    told = await manifest(clinic.application, clinic.http, "$export?_type=Patient")
    file = below(told["output"][0]["url"])
    status = file.rpartition("/")[0]
    async with taking_nothing(clinic.application.database):
        for answer in (
            await kick_off(clinic.http),
            await clinic.http.get(status),
            await clinic.http.get(file),
            await clinic.http.get("$export/none/1"),
            await clinic.http.delete(status),
        ):
            refused(answer, 503, "transient")
            assert "content-location" not in answer.headers
    assert (await clinic.http.get(file)).status_code == 200


@pytest.mark.parametrize("at", [1, 2])
async def test_a_log_that_fails_in_the_middle_cuts_the_file(clinic, records, monkeypatch, at):
    monkeypatch.setattr(exports, "ROWS", 1)
    told = await manifest(clinic.application, clinic.http, "$export?_type=Patient,Observation")
    written = AuditLog.append

    async def failing(self, records, **more):
        raise AuditUnavailable

    for item in told["output"]:
        with monkeypatch.context() as broken:

            async def between(pieces: int, broken=broken) -> None:
                if pieces == at:
                    broken.setattr(AuditLog, "append", failing)

            file = await streamed(clinic.application, clinic.http, item["url"], between=between)
        assert AuditLog.append is written
        told_of = len(file.pieces)
        if item["type"] == "Patient":
            assert (told_of, file.cut) == ((1, True) if at == 1 else (2, False))
        else:
            assert told_of >= at, "whom the log has already may be told of"
