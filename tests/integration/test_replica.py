"""A replica takes searches, and never shows what was so once and is not any more."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from app.core.config import Settings
from tests.support import postgres
from tests.support.application import BEARER, Clinic, clinic_of, running
from tests.support.databases import Database, Databases
from tests.support.postgres import APP
from tests.support.replica import Replica, replica_of


@dataclass(frozen=True, slots=True)
class World:
    """A clinic whose server has a replica."""

    clinic: Clinic
    replica: Replica
    database: Database

    @property
    def name(self) -> str:
        """The database's name."""
        return self.database.url.rpartition("/")[2]

    async def put(self, id: str, family: str) -> None:
        """Stores a patient."""
        tree = {"resourceType": "Patient", "id": id, "name": [{"family": family}]}
        stored = await self.clinic.http.put(f"Patient/{id}", json=tree)
        assert stored.status_code in (200, 201), stored.text

    async def found(self, family: str) -> set[str]:
        """The patients of a name."""
        page = await self.clinic.http.get("Patient", params={"family:exact": family})
        assert page.status_code == 200, page.text
        tree = page.json()
        assert tree["total"] == len(tree.get("entry", ()))
        return {entry["resource"]["id"] for entry in tree.get("entry", ())}

    async def asked(self, *, more_than: int) -> bool:
        """Whether the replica says within some seconds that it has read more rows."""
        for _ in range(200):  # it counts when a session is idle
            if await self.replica.asked(self.name) > more_than:
                return True
            await asyncio.sleep(0.05)
        return False


@pytest_asyncio.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    run = tmp_path_factory.mktemp("cluster")
    server = await asyncio.to_thread(postgres.join, run, os.getpid())
    try:
        database = await Databases(run, lambda: server).make("postgresql")
        following = replica_of(server)
        replica = await asyncio.to_thread(following.__enter__)
        try:
            name = database.url.rpartition("/")[2]
            url = replica.server.url(name, APP)
            data = tmp_path_factory.mktemp("data")
            async with (
                running(database, data, replica_url=url) as application,
                clinic_of(application) as clinic,
            ):
                yield World(clinic, replica, database)
        finally:
            await asyncio.to_thread(following.__exit__, None, None, None)
    finally:
        await asyncio.to_thread(postgres.leave, run)


async def test_the_replica_is_asked(world: World):
    await world.put("asked", "Asked")
    before = await world.replica.asked(world.name)
    for _ in range(5):
        assert await world.found("Asked") == {"asked"}
    assert await world.asked(more_than=before)


async def test_every_search_sees_the_write_before_it(world: World):
    for number in range(60):
        await world.put("moving", f"Name{number}")
        assert await world.found(f"Name{number}") == {"moving"}
        assert await world.found(f"Name{number - 1}") == set()


async def test_the_past_is_not_shown_while_the_replica_stands_still(world: World):
    await world.put("still", "Before")
    assert await world.found("Before") == {"still"}
    await world.replica.pause()
    try:
        await world.put("still", "After")
        assert await world.found("Before") == set()
        assert await world.found("After") == {"still"}
        backend = await world.clinic.application.register(world.clinic.tenant)
        late = await backend.http()
        world.clinic.opened.append(late)
        assert (await late.get("Patient?family=After")).status_code == 200
        async with world.clinic.application.http() as anybody:
            revoked = await anybody.post(
                "/oauth/revoke",
                data={
                    "token": late.headers["Authorization"].removeprefix("Bearer "),
                    "client_assertion_type": BEARER,
                    "client_assertion": backend.assertion(),
                },
            )
        assert revoked.status_code == 200, revoked.text
        assert (await late.get("Patient?family=After")).status_code == 401
    finally:
        await world.replica.resume()


async def test_who_waits_for_a_connection_holds_no_other(world: World, tmp_path: Path):
    """The compartment's owner is read by its key, the search asks the replica."""
    url = world.replica.server.url(world.name, APP)
    async with (
        running(world.database, tmp_path, replica_url=url, pool_size=1) as application,
        clinic_of(application) as clinic,
    ):
        await World(clinic, world.replica, world.database).put("crowd", "Crowd")
        for _ in range(2):
            answers = await asyncio.gather(
                *(clinic.http.get("Patient/crowd/Observation") for _ in range(6))
            )
            assert {answer.status_code for answer in answers} == {200}


async def test_another_cluster_is_never_read(world: World, databases: Databases, tmp_path: Path):
    """Not even one that stands by, and is further on than the primary."""
    stranger = await databases.make("postgresql")
    async with (
        running(world.database, tmp_path, replica_url=stranger.url) as application,
        clinic_of(application) as clinic,
    ):
        other = World(clinic, world.replica, world.database)
        await other.put("here", "Here")
        assert await other.found("Here") == {"here"}


async def test_without_the_replica_the_primary_answers(world: World, tmp_path: Path):
    nobody = "postgresql://rapport_app:none@127.0.0.1:9/rapport"
    async with (
        running(world.database, tmp_path, replica_url=nobody) as application,
        clinic_of(application) as clinic,
    ):
        alone = World(clinic, world.replica, world.database)
        await alone.put("alone", "Alone")
        assert await alone.found("Alone") == {"alone"}
        everything = await clinic.http.get("Patient/alone/$everything")
        assert everything.status_code == 200, everything.text


def test_a_replica_is_of_a_server(tmp_path: Path):
    chosen = Settings(
        env="production",
        data_dir=tmp_path,
        base_url="https://rapport.test",
        replica_url="postgresql://rapport_app@elsewhere/rapport",
    )
    assert any("RAPPORT_REPLICA_URL" in reason for reason in chosen.refusals())
