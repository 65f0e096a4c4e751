"""What decides over tokens and Consents turns the clinic's stamp, whoever changes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Table, delete, insert, select, update

from app.db import engine
from app.db.access_stamps import WATCHED
from app.db.engine import Database as Pool
from app.db.engine import EveryTenant
from app.db.tables import metadata
from app.db.tables.accounts import client, signing_key
from app.db.tables.authorizations import issued_token
from app.db.tables.resources import tenant
from app.db.tables.stamps import access_stamp
from tests.support.application import Application, Clinic, TurnedClock, clinic_of, running
from tests.support.consents import actor, consent, provision
from tests.support.databases import Database, Databases, Dialect
from tests.support.rows import a_row
from tests.support.staff import signed_in

TEST = EveryTenant("a test looks at both clinics")
MINE, THEIRS = 1, 2


@pytest.fixture
async def pool(databases: Databases, dialect: Dialect) -> AsyncIterator[Pool]:
    made = await databases.make(dialect)
    opened = await engine.connect(made.url, pool_size=2, lock_timeout=5, statement_timeout=5)
    async with opened.write(TEST) as connection:
        known = {row[0] for row in await connection.fetch(select(tenant.c.id))}
        for each in {MINE, THEIRS} - known:
            await connection.execute(insert(tenant), a_row(tenant, each))
    yield opened
    await opened.close()


async def stamps(pool: Pool) -> dict[int, int]:
    async with pool.read(TEST) as connection:
        rows = await connection.fetch(select(access_stamp.c.tenant, access_stamp.c.stamp))
    return {row[0]: row[1] for row in rows if row[0] in (MINE, THEIRS)}


def column(table: Table) -> Any:
    return table.c.id if table is tenant else table.c.get("tenant", next(iter(table.primary_key)))


@pytest.mark.parametrize("name", WATCHED)
async def test_a_change_turns_the_stamps_of_whom_it_concerns(pool: Pool, name: str):
    table = metadata.tables[name]
    everybody = name == "signing_key"
    mine = column(table) == ("row 1" if everybody else MINE)
    changed = next(c for c in table.columns if not c.primary_key and not c.foreign_keys)
    steps = {
        "INSERT": insert(table).values(a_row(table, MINE)),
        "UPDATE": update(table).where(mine).values({changed: changed}),
        "DELETE": delete(table).where(mine),
    }
    if name == "tenant":  # one that is there, and never goes
        steps = {"UPDATE": steps["UPDATE"]}
    seen = {}
    for verb, statement in steps.items():
        before = await stamps(pool)
        async with pool.write(MINE if not everybody else TEST) as connection:
            assert await connection.execute(statement) == 1
        after = await stamps(pool)
        seen[verb] = after[MINE] != before[MINE]
        assert (after[THEIRS] != before[THEIRS]) == (everybody and seen[verb]), verb
    assert seen == {verb: verb in WATCHED[name] for verb in steps}


async def test_a_new_clinic_has_a_stamp(pool: Pool):
    async with pool.write(TEST) as connection:
        await connection.execute(insert(tenant), a_row(tenant, 3))
    async with pool.read(TEST) as connection:
        rows = await connection.fetch(
            select(access_stamp.c.stamp).where(access_stamp.c.tenant == 3)
        )
    assert len(rows) == 1


async def test_what_is_undone_turns_nothing(pool: Pool):
    before = await stamps(pool)
    membership = metadata.tables["membership"]

    async def undone() -> None:
        async with pool.write(MINE) as connection:
            await connection.execute(insert(membership).values(a_row(membership, MINE)))
            raise LookupError

    with pytest.raises(LookupError):
        await undone()
    assert await stamps(pool) == before


class StillClock(TurnedClock):
    """Always the same moment, so that nothing but a stamp can tell of a change."""

    def __init__(self) -> None:
        super().__init__()
        self._at = super().now()

    def now(self) -> int:
        return self._at


@pytest.fixture
async def two(database: Database, tmp_path: Any) -> AsyncIterator[tuple[Clinic, Application]]:
    """A clinic at one server, and another server on the same database."""
    clock = StillClock()
    async with (
        running(database, tmp_path, clock=clock) as one,
        running(database, tmp_path, clock=clock) as other,
        clinic_of(one) as clinic,
    ):
        yield clinic, other


async def known(http: httpx.AsyncClient, path: str) -> None:
    """Asks until the server relies on the stamp alone."""
    for _ in range(4):
        assert (await http.get(path)).status_code == 200


CHANGES = {
    "the token is revoked": (update(issued_token).values(revoked=1), 401),
    "the client is disabled": (update(client).values(enabled=0), 401),
    "the client's rights are others": (
        update(client).values(generation=client.c.generation + 1),
        401,
    ),
    "the clinic is suspended": (update(tenant).values(suspended=1), 401),
    "the key is removed": (update(signing_key).values(removed=1), 401),
    "the client's role is another": (update(client).values(role="outside_system"), 404),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_by_hand_holds_for_the_next_request(
    two: tuple[Clinic, Application], change: str
):
    clinic, other = two
    await clinic.http.put("Patient/anna", json={"resourceType": "Patient", "id": "anna"})
    await known(clinic.http, "Patient/anna")
    statement, status = CHANGES[change]
    async with other.services.units.database.write(TEST) as connection:
        await connection.execute(statement)
    assert (await clinic.http.get("Patient/anna")).status_code == status


async def test_a_consent_at_one_server_holds_for_the_next_request_at_another(
    two: tuple[Clinic, Application],
):
    clinic, other = two
    await clinic.http.put("Patient/anna", json={"resourceType": "Patient", "id": "anna"})
    episode = {
        "resourceType": "EpisodeOfCare",
        "status": "active",
        "patient": {"reference": "Patient/anna"},
        "careManager": {"reference": "Practitioner/tess"},
    }
    await clinic.http.put("Practitioner/tess", json={"resourceType": "Practitioner", "id": "tess"})
    assert (await clinic.http.post("EpisodeOfCare", json=episode)).status_code == 201
    therapist = await signed_in(clinic, "therapist", "Practitioner/tess")
    await known(therapist, "Patient/anna")
    denial = consent("anna", provision("deny", actor=[actor("Practitioner/tess")]))
    headers = {"Authorization": clinic.http.headers["Authorization"]}
    async with other.http(headers=headers) as there:
        made = await there.post("/fhir/Consent", json=denial)
        assert made.status_code == 201
        assert (await therapist.get("Patient/anna")).status_code == 404
        withdrawn = {**made.json(), "status": "inactive"}
        place = f"/fhir/Consent/{withdrawn['id']}"
        assert (await there.put(place, json=withdrawn)).status_code == 200
        assert (await therapist.get("Patient/anna")).status_code == 200
        await known(therapist, "Patient/anna")
