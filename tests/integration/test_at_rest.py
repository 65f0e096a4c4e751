"""At rest there is no word that anybody wrote, and a destroyed key leaves nothing to read."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

import app.db.tables  # noqa: F401 - fills the metadata
from app.db.metadata import metadata
from app.db.row_security import seeing
from tests.support.application import Application
from tests.support.databases import ANYBODY, Database
from tests.support.eyes import eyes
from tests.support.octets import octets

CANARY = "q7canary7q"


@pytest.fixture
def application(installation: Application) -> Application:
    """An installation of the test's own, since all of it is gone through."""
    return installation


@pytest.fixture
async def written(clinic):
    for id in ("anna", "berta"):
        tree = {"resourceType": "Patient", "id": id, "text": narrative(f"{CANARY}-{id}")}
        assert (await clinic.http.put(f"Patient/{id}", json=tree)).status_code == 201
        response = {
            "resourceType": "QuestionnaireResponse",
            "id": f"r-{id}",
            "status": "completed",
            "subject": {"reference": f"Patient/{id}"},
            "item": [{"linkId": "1", "answer": [{"valueString": f"{CANARY}-answer"}]}],
        }
        path = f"QuestionnaireResponse/{response['id']}"
        assert (await clinic.http.put(path, json=response)).status_code == 201
        observation = {
            "resourceType": "Observation",
            "id": f"o-{id}",
            "status": "final",
            "code": {"text": "score"},
            "subject": {"reference": f"Patient/{id}"},
            "note": [{"text": f"{CANARY}-note"}],
        }
        for text in ("first", "second"):
            observation["note"] = [{"text": f"{CANARY}-{text}"}]
            answer = await clinic.http.put(f"Observation/{observation['id']}", json=observation)
            assert answer.status_code in (200, 201)
    return clinic


async def contents(database: Database) -> bytes:
    """Every octet of the database's files, or every row as text where it is a server's."""
    if database.dialect == "sqlite":
        files = [Path(database.url.split("///", 1)[1] + end) for end in ("", "-wal")]
        return b"".join(map(octets, files))
    connection = await asyncpg.connect(database.owner_url)
    rows = []
    try:
        await connection.execute(seeing(ANYBODY))
        tenants = [row[0] for row in await connection.fetch("SELECT id FROM tenant")]
        for whose in (ANYBODY, *tenants):
            await connection.execute(seeing(whose))
            for table in metadata.tables:
                found = await connection.fetch(f'SELECT t::text FROM "{table}" t')
                rows += [row[0].encode() for row in found]
        return b"".join(rows)
    finally:
        await connection.close()


def narrative(text: str) -> dict[str, str]:
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>',
    }


async def test_no_file_holds_what_was_written(written, capfd):
    found = await written.http.get("QuestionnaireResponse/r-anna")
    assert CANARY in found.text
    scanned = await contents(written.application.database)
    assert b"Patient/anna" in scanned  # what was written is in there, sealed
    for form in (CANARY.encode(), CANARY.encode().hex().encode()):
        assert form not in scanned
    log = capfd.readouterr()
    assert CANARY not in log.out + log.err


async def test_a_destroyed_key_makes_one_patient_unreadable_at_once(written):
    ehr = eyes(written, "system", f"Organization/{written.tenant.slug}")
    assert await ehr.sees("Observation/o-anna")
    async with written.application.services.units.write(written.tenant.id) as uow:
        await uow.keys.destroy(written.tenant.id, "Patient/anna")
    for path in ("Patient/anna", "Observation/o-anna", "Observation/o-anna/_history/1"):
        answer = await written.http.get(path)
        assert answer.status_code == 410, path
        assert CANARY not in answer.text
    history = (await written.http.get("Observation/o-anna/_history")).json()
    assert [entry.get("resource") for entry in history["entry"]] == [None, None]
    assert await ehr.sees("Observation/o-berta")


async def test_a_patient_has_one_key_however_many_write_at_once(written):
    async def write(n: int) -> int:
        tree = {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": str(n)},
            "subject": {"reference": "Patient/carl"},
        }
        return (await written.http.post("Observation", json=tree)).status_code

    answer = await written.http.put("Patient/carl", json={"resourceType": "Patient", "id": "carl"})
    assert answer.status_code == 201
    assert set(await asyncio.gather(*(write(n) for n in range(8)))) == {201}
    async with written.application.services.units.read(written.tenant.id) as uow:
        keys = await uow.keys.of(written.tenant.id, ["Patient/carl"])
    assert set(keys) == {"Patient/carl"}
