"""What is withdrawn at one server process is gone on the next request of another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.integration.test_consents import HIE, WORLD, World, score
from tests.support.application import ORIGIN, Clinic
from tests.support.consents import actor, consent, labels, provision
from tests.support.exports import ASYNC, prepared
from tests.support.ports import free_port
from tests.support.serving import environment, serving

OPEN = consent("anna", provision("permit", actor=[actor(HIE)], securityLabel=labels("R")))
SCORES = "/fhir/Observation?_count=2&_sort=_id"


@pytest.fixture
async def processes(
    clinic: Clinic, tmp_path: Path
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Two servers on the clinic's database: the record system at one, an exchange at the other."""
    world, application = World(clinic), clinic.application
    more = [score(f"o-more-{n}", "Patient/anna") for n in range(4)]
    await world.put(*WORLD, *more, {**OPEN, "id": "c-anna"})
    outside = await clinic.as_client("system/*.rs", role="outside_system", actor=HIE, clearance="N")
    settings = {
        "RAPPORT_BASE_URL": ORIGIN,
        "RAPPORT_DATABASE_URL": application.database.url,
        "RAPPORT_MIGRATION_URL": application.database.owner_url,
        "RAPPORT_ROOT_KEY_FILE": str(application.settings.root_key),
    }
    async with AsyncExitStack() as stack:
        clients = []
        for name, who in (("here", clinic.http), ("there", outside)):
            env = environment(tmp_path / name, **settings, PORT=str(free_port()))
            server = serving(env, "--no-relay")
            process = await asyncio.to_thread(server.__enter__)
            stack.push_async_callback(asyncio.to_thread, server.__exit__, None, None, None)
            headers = {
                "Authorization": who.headers["Authorization"],
                "Content-Type": "application/fhir+json",
                "Host": urlsplit(ORIGIN).netloc,
            }
            client = httpx.AsyncClient(base_url=process.base_url, headers=headers, timeout=60)
            clients.append(await stack.enter_async_context(client))
        yield clients[0], clients[1]


def following(page: dict[str, Any]) -> str:
    """The next page's address at whichever process is asked."""
    (url,) = [link["url"] for link in page["link"] if link["relation"] == "next"]
    return str(url).removeprefix(ORIGIN)


async def test_a_withdrawal_at_one_process_holds_at_another_mid_paging(processes):
    here, there = processes
    first = (await there.get(SCORES)).json()
    assert (first["total"], len(first["entry"])) == (6, 2)
    second = (await there.get(following(first))).json()
    assert len(second["entry"]) == 2
    assert (await there.get("/fhir/Observation/o-anna")).status_code == 200
    assert (await there.get("/fhir/Observation/o-anna/_history/1")).status_code == 200

    withdrawn = {**OPEN, "id": "c-anna", "status": "inactive"}
    assert (await here.put("/fhir/Consent/c-anna", json=withdrawn)).status_code == 200

    for page in (following(second), following(first), SCORES):
        answer = await there.get(page)
        assert answer.status_code == 200
        assert answer.json().get("entry", []) == [], page
        assert "Observation/o-" not in answer.text, page
    assert (await there.get(SCORES)).json()["total"] == 0
    for path in ("Observation/o-anna", "Observation/o-anna/_history/1", "Patient/anna/$everything"):
        assert (await there.get(f"/fhir/{path}")).status_code == 404, path

    given = {**withdrawn, "status": "active"}
    assert (await here.put("/fhir/Consent/c-anna", json=given)).status_code == 200
    third = (await there.get(following(second))).json()
    assert len(third["entry"]) == 2


async def test_a_withdrawal_at_one_process_holds_in_anothers_export(processes, clinic):
    """Asked for at one process, prepared by another, fetched while a third is told otherwise."""
    here, there = processes
    begun = await there.get("/fhir/$export?_type=Observation", headers=ASYNC)
    assert begun.status_code == 202, begun.text
    status = begun.headers["Content-Location"].removeprefix(ORIGIN)
    assert (await there.get(status)).status_code == 202
    assert (await here.get(status)).status_code == 404
    await prepared(clinic.application)
    (file,) = (await there.get(status)).json()["output"]
    url = file["url"].removeprefix(ORIGIN)
    assert len((await there.get(url)).content.splitlines()) == 6

    withdrawn = {**OPEN, "id": "c-anna", "status": "inactive"}
    assert (await here.put("/fhir/Consent/c-anna", json=withdrawn)).status_code == 200
    after = await there.get(url)
    assert (after.status_code, after.content) == (200, b"")
