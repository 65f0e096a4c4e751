"""No answer without its record: where the log cannot take one, nothing is told and nothing done."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app.db.engine import DatabaseBusy
from app.fhir.registry import REGISTRY, Interaction
from app.repositories import audit_log
from app.repositories.audit_log import AuditLog, AuditUnavailable
from tests.http.answers import made
from tests.http.resources import observation, patient
from tests.support.application import Clinic
from tests.support.databases import Database


@asynccontextmanager
async def taking_nothing(database: Database) -> AsyncIterator[None]:
    """The owner takes the application's right to add to the log, for a while."""
    if database.dialect == "sqlite":
        refuse = "BEGIN SELECT RAISE(ABORT, 'not today'); END"
        await owner(database, f"CREATE TRIGGER no_today BEFORE INSERT ON audit_event {refuse}")
        again = "DROP TRIGGER no_today"
    else:
        await owner(database, "REVOKE INSERT ON audit_event FROM rapport_app")
        again = "GRANT INSERT ON audit_event TO rapport_app"
    try:
        yield
    finally:
        await owner(database, again)


async def owner(database: Database, statement: str) -> list[Any]:
    if database.dialect == "sqlite":
        made_ = sqlite3.connect(database.owner_url.removeprefix("sqlite:///"), timeout=20)
        rows = made_.execute(statement).fetchall()
        made_.commit()
        made_.close()
        return rows
    connection = await asyncpg.connect(database.owner_url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def stored(database: Database) -> tuple[Any, ...]:
    """Everything clinical that is stored, counted, then records, then the moment of change."""
    clinical = ("resource", "resource_history", "outbox", "compartment", "export_job")
    tables = (*clinical, "audit_event")
    counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    [row] = await owner(database, f"SELECT {counts}, (SELECT max(updated) FROM resource)")
    return tuple(row)


@dataclass(frozen=True)
class Asked:
    """A request, made of the id of a Patient that is there."""

    method: str
    path: str
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


PATCH = [{"op": "replace", "path": "/gender", "value": "other"}]
BATCH = {
    "resourceType": "Bundle",
    "type": "batch",
    "entry": [{"request": {"method": "GET", "url": "Patient/{id}"}}],
}
TRANSACTION = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [{"request": {"method": "POST", "url": "Patient"}, "resource": patient()}],
}
EVERY_WAY = [
    Asked("GET", "Patient/{id}"),
    Asked("HEAD", "Patient/{id}"),
    Asked("GET", "Patient/{id}", headers=(("If-None-Match", 'W/"1"'),)),
    Asked("GET", "Patient/{id}/_history/1"),
    Asked("GET", "Patient/{id}/_history"),
    Asked("GET", "Patient/_history"),
    Asked("GET", "_history"),
    Asked("GET", "Patient"),
    Asked("GET", "Patient?_summary=count"),
    Asked("GET", "Patient/{id}/Observation"),
    Asked("POST", "Patient/_search"),
    Asked("GET", "?_type=Patient"),
    Asked("GET", "Patient/{id}/$everything"),
    Asked("POST", "Patient/$validate", patient()),
    Asked("POST", "Patient", patient()),
    Asked("POST", "Patient", patient(), (("If-None-Exist", "_id={id}"),)),
    Asked("PUT", "Patient/{id}", patient("Other") | {"id": "{id}"}),
    Asked("PATCH", "Patient/{id}", PATCH, (("Content-Type", "application/json-patch+json"),)),
    Asked("GET", "$export", headers=(("Prefer", "respond-async"),)),
    Asked("POST", "Patient/$export", headers=(("Prefer", "respond-async"),)),
    Asked("GET", "$export/none"),
    Asked("GET", "$export/none/1"),
    Asked("DELETE", "$export/none"),
    Asked("DELETE", "Patient/{id}"),
    Asked("DELETE", "Patient?_id={id}"),
    Asked("POST", "", BATCH),
    Asked("POST", "", TRANSACTION),
    # What would be refused is not told either.
    Asked("GET", "Patient/nobody"),
    Asked("GET", "Patient?_sort:wrong=x&_lastUpdated=never"),
    Asked("POST", "Patient", {"resourceType": "Patient", "gender": "no such"}),
]
EVERY_TYPE = [
    Asked("GET", path)
    for name, entry in REGISTRY.items()
    for interaction, path in (
        (Interaction.SEARCH_TYPE, name),
        (Interaction.READ, f"{name}/nothing"),
        (Interaction.HISTORY_TYPE, f"{name}/_history"),
    )
    if interaction in entry.interactions
]


async def ask(http: httpx.AsyncClient, asked: Asked, id: str) -> httpx.Response:
    body = None
    if asked.body is not None:
        body = json.dumps(asked.body).replace("{id}", id).encode()
    headers = {name: value.replace("{id}", id) for name, value in asked.headers}
    if asked.path.endswith("_search"):
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    path = asked.path.replace("{id}", id)
    return await http.request(asked.method, path, content=body, headers=headers)


def tells_nothing(answer: httpx.Response, asked: Asked) -> None:
    assert answer.status_code == 503, (str(asked), answer.status_code, answer.text)
    assert int(answer.headers["Retry-After"]) > 0
    assert not {"etag", "location", "last-modified"} & set(answer.headers)
    if asked.method != "HEAD":
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert [each["code"] for each in answer.json()["issue"]] == ["transient"]


async def test_no_way_to_ask_is_answered_without_its_record(house: Clinic):
    database = house.application.database
    id = made(await house.http.post("Patient", json=patient())).partition("/")[2]
    await house.http.post("Observation", json=observation(f"Patient/{id}"))
    await house.settle()
    before = await stored(database)
    async with taking_nothing(database):
        for asked in EVERY_WAY:
            tells_nothing(await ask(house.http, asked, id), asked)
            assert await stored(database) == before, str(asked)
    for asked in EVERY_WAY[:3]:
        assert (await ask(house.http, asked, id)).status_code in (200, 304)


async def test_no_type_is_answered_without_its_record(house: Clinic):
    async with taking_nothing(house.application.database):
        for asked in EVERY_TYPE:
            tells_nothing(await ask(house.http, asked, "nothing"), asked)


@pytest.mark.parametrize("path", ["/audit/entries", "/audit/proof/consistency?from=0&to=0"])
async def test_the_log_itself_is_not_shown_without_its_record(house: Clinic, path):
    auditor = await house.as_client("system/AuditEvent.rs", name="Auditor", role="auditor")
    auditor.base_url = httpx.URL("https://rapport.test")
    async with taking_nothing(house.application.database):
        assert (await auditor.get(path)).status_code == 503
        assert (await auditor.get("/fhir/AuditEvent")).status_code == 503
    assert (await auditor.get(path)).status_code == 200


async def test_no_token_is_given_without_its_record(house: Clinic):
    async with taking_nothing(house.application.database):
        with pytest.raises(AssertionError, match=r"503|temporarily"):
            await house.ehr.token()
        async with house.application.http() as http:
            assert (await http.get("/fhir/Patient")).status_code == 503
            assert (await http.get("/fhir/metadata")).status_code == 200
    assert await house.ehr.token()


async def test_on_a_full_disk_nothing_can_be_read(databases, tmp_path: Path):
    from tests.support.application import clinic_of, running

    async with (
        running(await databases.make("sqlite"), tmp_path) as application,
        clinic_of(application) as clinic,
    ):
        where = made(await clinic.http.post("Patient", json=patient()))
        writer = application.services.units.database._writer  # type: ignore[attr-defined]
        [(pages,)] = await writer.do(lambda raw: raw.execute("PRAGMA page_count").fetchall())
        await writer.run(f"PRAGMA max_page_count = {pages}")
        statuses = [(await clinic.http.get(where)).status_code for _ in range(400)]
        assert statuses[-1] == 503, "the disk is full now"
        assert set(statuses) == {200, 503}
        assert (await clinic.http.post("Patient", json=patient())).status_code == 503
        await writer.run("PRAGMA max_page_count = 1073741823")
        assert (await clinic.http.get(where)).status_code == 200, "without a restart"


# ------------------------------------------------------------------------ at every moment


def before_the_record(broken: pytest.MonkeyPatch, database: Any) -> None:
    async def append(self: AuditLog, records: Any, **_: Any) -> None:
        raise AuditUnavailable

    broken.setattr(AuditLog, "append", append)


def after_the_record(broken: pytest.MonkeyPatch, database: Any) -> None:
    original = AuditLog.append

    async def append(self: AuditLog, records: Any, **more: Any) -> None:
        await original(self, records, **more)
        raise AuditUnavailable

    broken.setattr(AuditLog, "append", append)


def when_it_commits(broken: pytest.MonkeyPatch, database: Any) -> None:
    """The connection is lost once it has taken a record, before it says that it did."""
    original, alone = type(database).write, type(database).apply

    @asynccontextmanager
    async def write(self: Any, *whose: Any) -> AsyncIterator[Any]:
        async with original(self, *whose) as connection:
            watched = _Watched(connection)
            yield watched
            if watched.took_a_record:
                raise DatabaseBusy

    async def apply(self: Any, changes: Any, *whose: Any) -> None:
        await alone(self, changes, *whose)
        if _has_a_record(changes):
            raise DatabaseBusy

    broken.setattr(type(database), "write", write)
    broken.setattr(type(database), "apply", apply)


def _has_a_record(changes: Any) -> bool:
    return any(change.statement is audit_log._INSERT for change in changes)


class _Watched:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.took_a_record = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def apply(self, changes: Any) -> None:
        self.took_a_record |= _has_a_record(changes)
        await self._connection.apply(changes)


@pytest.mark.parametrize(
    "fail", [before_the_record, after_the_record, when_it_commits], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("asked", EVERY_WAY, ids=str)
async def test_whenever_the_store_fails_there_is_no_unrecorded_answer(
    house: Clinic, fail, asked: Asked, monkeypatch
):
    """There may be a record of what was not answered, as there is of an answer that got lost.

    Only a commit that lasts before its answer is lost may leave what was asked for, recorded.
    """
    database = house.application.database
    id = made(await house.http.post("Patient", json=patient())).partition("/")[2]
    await house.settle()
    *clinical, recorded, changed = await stored(database)
    with monkeypatch.context() as broken:
        fail(broken, house.application.services.units.database)
        tells_nothing(await ask(house.http, asked, id), asked)
    *after, recorded_after, changed_after = await stored(database)
    untouched = (after, changed_after) == (clinical, changed)
    assert untouched or (recorded_after > recorded and fail is not before_the_record)
    assert recorded_after >= recorded
